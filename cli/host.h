/* gwhost in parts. */
#ifndef CLI_HOST_H
#define CLI_HOST_H

#include <jansson.h>
#include <stdbool.h>

void host_print_table(const json_t *hosts, bool has_header);
void host_print_queues(const json_t *host, bool has_header);
void host_print_match(const json_t *hosts, bool has_header); /* -m */
void host_print_full(const json_t *hosts);                   /* -f */
void host_print_drivers(const json_t *status, bool has_header);

#endif
