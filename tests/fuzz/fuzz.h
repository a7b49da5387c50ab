/* What a fuzz target is: libFuzzer calls it (script/fuzz), or fuzz_saved.c with saved inputs. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Aborts where it finds something. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
