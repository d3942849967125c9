# shellcheck shell=bash
# What build, run, test and shell share: where the tree is, and how to enter it.  Sourced, never run.

container=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(dirname "$container")
cache=${BRIDGE_CACHE_DIR:-/var/cache/tsm-slurm-bridge}
running_boxes=/run/tsm-slurm-bridge.boxes # a file a box that `run` started: named after its first process, with its start time
box_port=/run/slurm-bridge.port           # in such a box, once it is ready: the bridge's port
token_file=/var/lib/slurm-bridge/tokens.json # in a box that listens beyond loopback, where callers need a token

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Are we in the box already (an image made by the Dockerfile, or a shell in the tree)?
in_box() {
    [[ -e /opt/bridge/.provisioned ]]
}

# The tree is named after all that shapes it: change one of these files, and the next command builds a new one.
# (pyproject.toml is not among them: it holds tool settings, which are read from the checkout.)
tree_key() {
    (
        cd "$checkout" || exit
        cat container/{build,provision,pyslurm-compat.h,constraints.txt} deploy/pyslurm extractor/requirements.txt setup.cfg
    ) | sha256sum | cut -c1-16
}

# Put before a command, makes it the first process of new mount and pid namespaces.  Whatever ends us, SIGKILL
# included, the kernel then ends that command with all that it started and mounted.
# (An array, not a function: in the background a function would put a subshell between us and the command.)
# shellcheck disable=SC2034  # used by those who source this
isolated=(setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child)

need_namespaces() {
    [[ $(id -u) == 0 ]] || die "needs root, to make mounts: sudo ./container/${0##*/}"
    unshare --mount --pid --fork true 2>/dev/null ||
        die "new mount and pid namespaces are forbidden here (inside a container?): make it a privileged one, or use container/Dockerfile"
}

# Sets $tree, building it where it is missing, and marks it as in use (shared lock, descriptor 8) as long as we live.
need_tree() {
    need_namespaces
    "$container/build" || exit
    tree=$cache/$(tree_key)
    exec 8<"$tree"
    flock --shared 8
    touch "$tree.used"
}

# Prints the variables, one a line, with which pip reaches this machine's package index from a box.  Behind a proxy that
# inspects TLS this machine trusts an authority that forky does not know: it is put into the folder $1, the box's /run.
index_environment() {
    local name bundle=${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}} index
    if [[ -r $bundle ]]; then
        cp -L "$bundle" "$1/authorities.crt"
        printf '%s=/run/authorities.crt\n' PIP_CERT SSL_CERT_FILE
    fi
    for name in {http,https,no}_proxy {HTTP,HTTPS,NO}_PROXY PIP_{INDEX_URL,EXTRA_INDEX_URL,TRUSTED_HOST,DEFAULT_TIMEOUT}; do
        [[ -z ${!name-} ]] || echo "$name=${!name}"
    done
    index=$(pip config get global.index-url 2>/dev/null || true)
    [[ -z $index || -n ${PIP_INDEX_URL-} ]] || echo "PIP_INDEX_URL=$index"
}

# Takes on what that has printed into /lent/environment, in the box.
use_index() {
    local setting
    [[ -e /lent/environment ]] || return 0
    while IFS= read -r setting; do export "${setting?}"; done </lent/environment
    [[ ! -e /lent/authorities.crt ]] || cp /lent/authorities.crt /run/
}

# The box gets nothing of the caller's environment but the terminal's kind and the bridge's own variables.
narrow_environment() {
    local name
    # shellcheck disable=SC2163  # the variable of that name is meant
    for name in $(compgen -e); do
        case $name in
        BRIDGE_CACHE_DIR) export -n "$name" ;; # ours, not a setting of the service
        PATH | TERM | MQTT_BROKER | MQTT_USER | MQTT_PASSWORD | VERBOSE | BRIDGE_*) ;;
        *) export -n "$name" ;;
        esac
    done
    export HOME=/root LANG=C.UTF-8 SLURM_CONF=/etc/slurm/slurm.conf
}

# Lets commands in the box whose root is $1 (`tsm-bridge token`) know its token file, if it has one.
know_token_file() {
    [[ ! -e $1$token_file ]] || export BRIDGE_TOKEN_FILE=${BRIDGE_TOKEN_FILE:-$token_file}
}

# Prints "PID PORT" of each box that runs: of its first process, and of the bridge in it (nothing before it is ready).
running() {
    local file pid
    for file in "$running_boxes"/*; do
        pid=${file##*/}
        # A pid that was given to another process since has another start time.
        if [[ -e $file && $(<"$file") == "$(start_time "$pid")" ]]; then
            echo "$pid $(cat "/proc/$pid/root$box_port" 2>/dev/null)"
        fi
    done
}

# Of a process that runs, not of one that is only waiting to be buried.
start_time() {
    awk '$3 != "Z" { print $22 }' "/proc/$1/stat" 2>/dev/null
}
