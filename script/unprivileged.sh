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

# What is put before a command so that it does not run as root.
unprivileged=(env)
if [ "$(id -u)" = 0 ]; then
	unprivileged=(setpriv --reuid="$(id -u "$(unprivileged_user)")"
		--regid="$(id -g "$(unprivileged_user)")" --clear-groups --)
fi

# A folder of the unprivileged user that everybody may enter; short, for sockets are in it.
new_scratch() {
	local folder
	folder=$(mktemp -d "/tmp/$1.XXXXXX")
	chmod 0755 "$folder"
	[ "$(id -u)" != 0 ] || chown "$(unprivileged_user)" "$folder"
	echo "$folder"
}
