#pragma once
#include <glib.h>

G_BEGIN_DECLS

/* The notification protocol of service managers: datagrams to NOTIFY_SOCKET. Without that variable nothing happens. */
void teesql_notify_ready (void);
void teesql_notify_reloading (void);
void teesql_notify_stopping (void);
void teesql_notify_status (const char *format, ...) G_GNUC_PRINTF (1, 2);
/**
 * teesql_notify_start_watchdog:
 *
 * answers the manager's watchdog from the main context for as long as that runs
 */
void teesql_notify_start_watchdog (void);
/* (nullable) address of @socket; exposed for tests: `/run/…` or `@abstract` */
gboolean teesql_notify_send (const char *address, const char *message);

G_END_DECLS
