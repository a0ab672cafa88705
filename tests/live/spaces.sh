# Read by the labs of this folder: two network namespaces with a veth pair between them, which are gone when the lab ends.

skip() { echo "skipped: $*"; exit 77; }

# What a lab has to do before its folder goes.
leave() { :; }

clean() {
    for space in "$edge" "$origin"; do
        for process in $(ip netns pids "$space" 2>/dev/null); do kill "$process" 2>/dev/null || true; done
    done
    sleep 0.5
    ip netns del "$edge" 2>/dev/null || true
    ip netns del "$origin" 2>/dev/null || true
    leave
    rm -rf "$work"
}

# lay NAME NET PROGRAM...: the namespaces $edge, with the interface NAME-e (NET.1), and $origin, with NAME-o (NET.2), and
# a folder $work. The programs have to be there.
lay() {
    local name=$1 net=$2 program
    shift 2
    edge=$name-edge-$$ origin=$name-origin-$$
    [[ $(id -u) == 0 ]] || skip "only root can make network namespaces"
    for program in ip "$@"; do
        command -v "$program" >/dev/null || skip "$program is not installed (make deps)"
    done
    ip netns add "$edge" 2>/dev/null || skip "network namespaces are not allowed here"
    work=$(mktemp -d)
    chmod 755 "$work"
    trap clean EXIT
    ip netns add "$origin"
    ip -n "$edge" link add "$name-e" type veth peer name "$name-o" netns "$origin" || skip "veth pairs are not allowed here"
    ip -n "$edge" addr add "$net.1/24" dev "$name-e"
    ip -n "$origin" addr add "$net.2/24" dev "$name-o"
    ip -n "$edge" link set lo up
    ip -n "$edge" link set "$name-e" up
    ip -n "$origin" link set lo up
    ip -n "$origin" link set "$name-o" up
}
