/* Where a model server is asked: what `url` of a provider means. */
#pragma once

#include "worker/model_wire.h"

/* The whole address of the wire's path, and the socket of `unix:` or NULL. To be freed. A url may
 * end in the path, or in the version that begins it, as people copy it. */
void model_address(
    const char *url, const struct model_wire *wire, char **ret_url, char **ret_socket_path);
