#include "worker/model_address.h"

#include <string.h>

#include "common/bytes.h"

void model_address(
    const char *url, const struct model_wire *wire, char **ret_url, char **ret_socket_path)
{
	static const char scheme[] = "unix:";
	struct buffer address = BUFFER_INIT;
	const char *version = wire->version;
	size_t size;

	*ret_socket_path = NULL;
	if (strncmp(url, scheme, sizeof(scheme) - 1) == 0) {
		*ret_socket_path = must_strdup(url + sizeof(scheme) - 1);
		url = "http://localhost";
	}
	size = strlen(url);
	while (size > 0 && url[size - 1] == '/')
		size--;
	if (version && size > strlen(version) &&
	    strncmp(url + size - strlen(version), version, strlen(version)) == 0)
		size -= strlen(version);
	buffer_append(&address, url, size);
	buffer_append_string(&address, wire->path);
	buffer_string(&address);
	*ret_url = address.data;
}
