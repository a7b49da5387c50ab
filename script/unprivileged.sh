# Sourced by the scripts here: how they run what must not run as root.

# The account that stands in for root: OptimaX's own where it is installed, else nobody.
unprivileged_user() {
	if [ "$(id -u)" != 0 ]; then
		id -un
	elif getent passwd optimax >/dev/null; then
		echo optimax
	else
		echo nobody
	fi
}

run_unprivileged() {
	local user
	if [ "$(id -u)" != 0 ]; then
		"$@"
		return
	fi
	user=$(unprivileged_user)
	setpriv --reuid="$(id -u "$user")" --regid="$(id -g "$user")" --clear-groups -- "$@"
}

# A folder of the unprivileged user that everybody may enter; short, for sockets are in it.
new_scratch() {
	local folder
	folder=$(mktemp -d "/tmp/$1.XXXXXX")
	chmod 0755 "$folder"
	[ "$(id -u)" != 0 ] || chown "$(unprivileged_user)" "$folder"
	echo "$folder"
}
