#!/usr/bin/env bash
# Packs a tickgate that is built already, as docs/ci/github-release.yml and gitlab-release.yml publish it, and as
# [package.metadata.binstall] in Cargo.toml expects it. The same files make the same archive. Needs `strip`.
#
#   scripts/release.sh PROGRAM TAG TARGET FOLDER    writes tickgate-VERSION-TARGET.tar.gz and its .sha256 into FOLDER; TAG is vVERSION
set -euo pipefail

[ $# = 4 ] || { sed -n '5s/^# *//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
readonly program=$1 tag=$2 target=$3 folder=$4
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root

say() { echo "release: $*" >&2; }

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
[ "$tag" = "v$version" ] || { say "the tag is $tag, but Cargo.toml says version $version"; exit 1; }
type -P strip >/dev/null || { say "no strip here: install binutils"; exit 1; }
"$program" --version >/dev/null || { say "$program does not run here"; exit 1; }

readonly name=tickgate-$version-$target
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/$name" "$folder"
strip --strip-all -o "$work/$name/tickgate" "$program"
cp "$root"/{README.md,CHANGELOG.md,LICENSE-APACHE,LICENSE-MIT} "$work/$name/"
chmod -R u=rwX,go=rX "$work/$name"
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -c "$name" | gzip -9n >"$folder/$name.tar.gz"
(cd "$folder" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
say "$folder/$name.tar.gz, $(($(stat -c %s "$folder/$name.tar.gz") / 1000000)) MB"
