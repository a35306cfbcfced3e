#pragma once
#include "simulator/teesql-sim-guest.h"

G_BEGIN_DECLS

/**
 * TeesqlSimulatorSettings:
 * @platform_seed: 32 bytes
 * @machine: name of the machine
 * @app: path of the application description
 * @listen: (nullable): the agent's socket
 * @http_listen, @pccs_listen, @write_root, @control_socket: (nullable): %NULL for `none`
 * @misbehave: (array zero-terminated=1) (nullable)
 *
 * the keys of `[simulator]`. Borrowed for the call.
 */
typedef struct {
  TeesqlSecret *platform_seed;
  const char *machine;
  const char *app;
  const char *listen;
  const char *http_listen;
  const char *pccs_listen;
  const char *write_root;
  const char *control_socket;
  const char *quote_version;
  const char *tcb_status;
  const char *const *misbehave;
} TeesqlSimulatorSettings;

/**
 * TeesqlSimulator:
 *
 * one machine of one platform: guest agent, and when asked PCCS and control socket, on the thread-default main context. Nothing listens
 * before teesql_simulator_start().
 */
typedef struct _TeesqlSimulator TeesqlSimulator;

TeesqlSimulator *teesql_simulator_new (const TeesqlSimulatorSettings *settings, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_simulator_free (TeesqlSimulator *self);
gboolean teesql_simulator_start (TeesqlSimulator *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the one line that says where it listens */
char *teesql_simulator_get_ready_line (const TeesqlSimulator *self) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_simulator_describe:
 *
 * Returns: (transfer full): JSON with what policies pin
 */
char *teesql_simulator_describe (const TeesqlSimulator *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_simulator_write_root (const TeesqlSimulator *self, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* nothing to do without `write-root` */
const char *teesql_simulator_get_pccs (const TeesqlSimulator *self);   /* (nullable) */
const char *teesql_simulator_get_http (const TeesqlSimulator *self);   /* (nullable) */
TeesqlSimState *teesql_simulator_get_state (TeesqlSimulator *self);
const TeesqlSimGuest *teesql_simulator_get_guest (const TeesqlSimulator *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSimulator, teesql_simulator_free)
G_END_DECLS
