#!/bin/sh
# Print which stack to use, "docker" or "local": the value of STACK; else the one that is running;
# else Docker, if its daemon answers and has the images; else processes. `choose.sh up` pulls missing
# images; the other commands download nothing.
cd "$(dirname "$0")/.." || exit 1

case "${STACK:-}" in
    docker | local) echo "$STACK"; exit ;;
    "") ;;
    *) echo "STACK is '$STACK'; it can be docker or local." >&2; exit 2 ;;
esac
if [ -e .local/supervisord.pid ] && kill -0 "$(cat .local/supervisord.pid)" 2>/dev/null; then
    echo local; exit
fi
docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1 || { echo local; exit; }
if docker compose ps --services --status running 2>/dev/null | grep -q .; then
    echo docker; exit
fi
for image in $(docker compose config --images 2>/dev/null); do
    docker image inspect "$image" >/dev/null 2>&1 && continue
    [ "${1:-}" = up ] || { echo local; exit; }
    echo "Pulling $image ..." >&2
    docker pull --quiet "$image" >/dev/null 2>&1 && continue
    echo "Docker answers, but $image cannot be pulled: using local processes instead." >&2
    echo local; exit
done
echo docker
