#include "worker/provider.h"

static const struct provider_type *const types[] = {
    &provider_builtin, &provider_ollama, &provider_openai};

const struct provider_type *provider_type_find(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	return NULL;
}
