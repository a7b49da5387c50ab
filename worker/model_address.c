#include "worker/model_address.h"

#include <string.h>

#include "common/bytes.h"

static size_t without_end(const char *url, size_t size, const char *end)
{
	size_t end_size = strlen(end);
	bool has_it = size > end_size && memcmp(url + size - end_size, end, end_size) == 0;

	return has_it ? size - end_size : size;
}

void model_address(
    const char *url, const struct model_wire *wire, char **ret_url, char **ret_socket_path)
{
	static const char scheme[] = "unix:";
	struct buffer address = BUFFER_INIT;
	size_t size;

	*ret_socket_path = NULL;
	if (strncmp(url, scheme, sizeof(scheme) - 1) == 0) {
		*ret_socket_path = must_strdup(url + sizeof(scheme) - 1);
		url = "http://localhost";
	}
	size = strlen(url);
	while (size > 0 && url[size - 1] == '/')
		size--;
	size = without_end(url, size, wire->path);
	if (wire->version)
		size = without_end(url, size, wire->version);
	buffer_append(&address, url, size);
	buffer_append_string(&address, wire->path);
	buffer_string(&address);
	*ret_url = address.data;
}
