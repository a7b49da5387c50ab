/*
 * The floor of bench/gateway: calls of a model server by libcurl alone, one after the other on
 * one connection. curl_floor PORT CALLS prints the median in microseconds.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"

static const char body[] =
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"what is a "
    "checkpoint?\"}],\"stream\":true}";

static size_t drop(char *data, size_t one, size_t size, void *owner)
{
	(void)data;
	(void)one;
	(void)owner;
	return size;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	long calls = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	int64_t *took_us = calloc((size_t)(calls > 0 ? calls : 1), sizeof(*took_us));
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *easy = curl_easy_init();
	char url[64];

	if (calls <= 0 || !took_us || !easy)
		return 2;
	clock_init();
	snprintf(url, sizeof(url), "http://127.0.0.1:%.8s/api/chat", argv[1]);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
	for (long i = 0; i < calls; i++) {
		int64_t began_us = clock_now_us();

		if (curl_easy_perform(easy) != CURLE_OK)
			return 1;
		took_us[i] = clock_now_us() - began_us;
	}
	qsort(took_us, (size_t)calls, sizeof(*took_us), compare);
	printf("%lld\n", (long long)took_us[calls / 2]);
	curl_easy_cleanup(easy);
	curl_slist_free_all(headers);
	free(took_us);
	return 0;
}
