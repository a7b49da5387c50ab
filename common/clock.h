/*
 * The one source of time. Monotonic and boot-wide, so that all processes of one boot agree,
 * and a suspended machine's sleep counts (CLOCK_BOOTTIME).
 * Where OPTIMAX_TEST_CLOCK names a file, the 64-bit milliseconds in it are added: tests move
 * time by writing there instead of sleeping.
 */
#pragma once

#include <stdint.h>

/* Call once per process, before any other function here. */
void clock_init(void);
int64_t clock_now_ms(void);
int64_t clock_now_us(void);
