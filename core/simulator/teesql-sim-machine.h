#pragma once
#include "simulator/teesql-sim-app.h"
#include "simulator/teesql-sim-platform.h"
#include <json-glib/json-glib.h>
#include <teesql/teesql-evidence.h>

G_BEGIN_DECLS

#define TEESQL_SIM_N_RTMR 4

/**
 * TeesqlSimMachine:
 * @name: of the machine; chip and instance id follow from it and the seed
 * @mr_td, @rtmr: firmware; firmware's, kernel's, command line's registers, and the runtime register
 * @key_provider: JSON of the event of that name
 * @vm_config: what the host says, unsigned
 * @events: (element-type TeesqlEvent): boot events, then the runtime events, all with digests
 *
 * what one guest on one machine measured while it booted. Immutable.
 */
typedef struct {
  char *name;
  guint8 instance_id[20];
  guint8 mr_td[48];
  guint8 mr_config_id[48];
  guint8 rtmr[TEESQL_SIM_N_RTMR][48];
  guint8 mr_system[32];
  guint8 mr_aggregated[32];
  char *key_provider;
  char *vm_config;
  GPtrArray *events;
} TeesqlSimMachine;

/**
 * teesql_sim_machine_new:
 * @key_provider_id: SubjectPublicKeyInfo of the KMS root, as the `key-provider` event has it
 */
TeesqlSimMachine *teesql_sim_machine_new (const TeesqlSimPlatform *platform, const char *name, const TeesqlSimApp *app, GBytes *key_provider_id,
                                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_sim_machine_free (TeesqlSimMachine *self);
TeesqlEvidence *teesql_sim_machine_make_evidence (const TeesqlSimMachine *self, GBytes *quote, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* `event_log` of GetQuote: an array; payloads of boot events are left out as the agent does, digests are kept */
void teesql_sim_machine_add_event_log (const TeesqlSimMachine *self, JsonBuilder *builder);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSimMachine, teesql_sim_machine_free)
G_END_DECLS
