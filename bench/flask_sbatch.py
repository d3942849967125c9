"""A peer to compare with: Flask's development server that runs `sbatch` for each request.

Usage: python -m bench.flask_sbatch PORT SCRIPT OUTPUT_FOLDER
"""

import subprocess
import sys

import flask


def create_app(script: str, output_folder: str) -> flask.Flask:
    """One route, `POST /qaqc/run`, that submits `script` with the request's fields in the job's environment."""
    app = flask.Flask(__name__)

    @app.post("/qaqc/run")
    def run() -> dict[str, object]:
        body = flask.request.get_json()
        exported = f"TSM_TARGET={body['target']},TSM_THING_UUID={body['thing_uuid']}"
        done = subprocess.run(
            ["sbatch", "--job-name=qaqc", f"--chdir={output_folder}", f"--export={exported}"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )
        return {"code": done.returncode, "err": done.stderr, "out": done.stdout}

    return app


if __name__ == "__main__":
    create_app(sys.argv[2], sys.argv[3]).run(port=int(sys.argv[1]), threaded=True)
