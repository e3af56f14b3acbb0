// What the files of the SDK share; inferlets include inferlet.h only.

#ifndef INFERLET_INTERNAL_H
#define INFERLET_INTERNAL_H

#include <stddef.h>

#include "inferlet.h"

// Memory; when there is none left they say so to the server and end the inferlet.
void *il_allocate(size_t size);
void *il_reallocate(void *old, size_t size);

void il_configure(const il_json *limits);
void il_flush_operations(void);  // hands over what was started
void il_send_printed(void);      // posts what was printed since the last time
void il_set_error(const il_json *error, const char *operation);
void il_describe_error(il_buffer *out);

void il_host_submit(const char *data, size_t size);
void il_host_wait(char **data, size_t *size);

#endif
