# shellcheck shell=bash
# Sourced by the others: the source folder, and its own files (not what was built in it).
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 99

# own_files FOLDER-OR-FILE...: what is, or would be, in the repository.
own_files() {
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git -c core.quotePath=false ls-files -co --exclude-standard -- "$@"
	else
		find "$@" -type f -not -path '*/__pycache__/*' -not -path '*/node_modules/*'
	fi | sort -u | while IFS= read -r file; do
		[ ! -f "$file" ] || printf '%s\n' "$file"
	done
}
