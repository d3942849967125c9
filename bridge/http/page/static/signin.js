// Where callers need a token.

import { html, useState } from "./preact.js";
import { ask, forgetToken, keepToken } from "./api.js";
import { Fault, Heading } from "./parts.js";

// `done` gets who the bridge takes the caller for.
export function SignIn({ done }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const enter = async (event) => {
    event.preventDefault();
    setBusy(true);
    keepToken(new FormData(event.target).get("token").trim());
    try {
      done(await ask("whoami"));
    } catch (fault) {
      forgetToken();
      setProblem(fault);
      setBusy(false);
    }
  };
  return html`<section class="panel narrow">
    <${Heading} title="Sign in" />
    <p>This bridge tells callers by a token. An operator makes one with <code>tsm-bridge token create</code>. It stays in
      this tab and is forgotten when you close it.</p>
    <form onSubmit=${enter} method="post">
      <label for="token">Token</label>
      <input id="token" name="token" type="password" required autocomplete="off" spellcheck=${false} />
      <${Fault} problem=${problem} />
      <div class="buttons"><button class="main" disabled=${isBusy}>Sign in</button></div>
    </form>
  </section>`;
}
