#pragma once
#include <gio/gio.h>
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

typedef enum { TEESQL_CONFIG_DAEMON, TEESQL_CONFIG_CLIENT, TEESQL_CONFIG_SIMULATOR, TEESQL_CONFIG_POLICY } TeesqlConfigKind;

/**
 * TeesqlConfig:
 *
 * an immutable, checked snapshot of the keyfiles (own strict scanner, one option table). Boxed, refcounted, safe to share
 * across threads. Getters give the default where the file is silent. Asking for a key that the table does not have is a programmer's mistake.
 */
typedef struct _TeesqlConfig TeesqlConfig;
#define TEESQL_TYPE_CONFIG (teesql_config_get_type ())
GType teesql_config_get_type (void);

/**
 * teesql_config_load:
 * @path: (nullable): `--config`; %NULL: the search of the kind. `PATH.d/` drop-ins are read too (`/etc/teesql/teesqld.conf.d/`)
 *
 * reads, checks every line, fills in defaults. No plugin code runs: keys of plugin groups are kept for the loader.
 *
 * Returns: (transfer full) (nullable): %NULL with %TEESQL_ERROR_CONFIG in #TEESQL_CONFIG_ERROR, one finding a line
 *   (`teesqld.conf:41: [proxy] max-sesions: unknown key` and `hint: did you mean max-sessions?`), all findings of the file at once
 */
TeesqlConfig *teesql_config_load (TeesqlConfigKind kind, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_config_load_text:
 *
 * the same from memory, for tests and the fuzzer; @name stands in messages
 */
TeesqlConfig *teesql_config_load_text (TeesqlConfigKind kind, const char *name, const char *text, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlConfig *teesql_config_ref (TeesqlConfig *self);
void teesql_config_unref (TeesqlConfig *self);

/* @group is the full name: `proxy`, `policy:clients`, `role:teesql_read`, `verifier:dcap` */
gboolean teesql_config_has_group (const TeesqlConfig *self, const char *group);
gboolean teesql_config_is_set (const TeesqlConfig *self, const char *group, const char *key); /* written in a file */
const char *teesql_config_get_string (const TeesqlConfig *self, const char *group, const char *key); /* (nullable) */
gint64 teesql_config_get_integer (const TeesqlConfig *self, const char *group, const char *key);
gboolean teesql_config_get_boolean (const TeesqlConfig *self, const char *group, const char *key);
guint teesql_config_get_duration_ms (const TeesqlConfig *self, const char *group, const char *key);
guint64 teesql_config_get_size (const TeesqlConfig *self, const char *group, const char *key);
/**
 * teesql_config_get_list:
 *
 * Returns: (transfer none) (array zero-terminated=1): never %NULL; empty when nothing was written or the word is `any`/`none`
 */
const char *const *teesql_config_get_list (const TeesqlConfig *self, const char *group, const char *key);
gboolean teesql_config_is_any (const TeesqlConfig *self, const char *group, const char *key);
gboolean teesql_config_is_auto (const TeesqlConfig *self, const char *group, const char *key);
gboolean teesql_config_is_none (const TeesqlConfig *self, const char *group, const char *key);
/**
 * teesql_config_list_instances:
 * @kind: `role`, `policy`, `attester`, `kms`, `verifier`, `storage`
 *
 * Returns: (transfer container) (array zero-terminated=1): the NAMEs of `[KIND:NAME]`, in order of the file
 */
const char **teesql_config_list_instances (const TeesqlConfig *self, const char *kind) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_config_list_keys:
 *
 * Returns: (transfer container): keys written in @group, for the plugin loader
 */
const char **teesql_config_list_keys (const TeesqlConfig *self, const char *group) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_config_get_raw:
 *
 * Returns: (transfer none) (nullable): text of a plugin option as written
 */
const char *teesql_config_get_raw (const TeesqlConfig *self, const char *group, const char *key);
/**
 * teesql_config_describe:
 *
 * Returns: (transfer full): `teesqld.conf:41: [proxy] listen`, to begin a message about a value
 */
char *teesql_config_describe (const TeesqlConfig *self, const char *group, const char *key) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_config_dup_slot:
 *
 * Returns: (transfer full): the replication slot of a storage. A slot's name has no hyphen and an instance's no underscore, so that no two
 *   storages share one
 */
char *teesql_config_dup_slot (const TeesqlConfig *self, const char *storage) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_config_resolve_secret:
 * @reference: `credential:NAME`, `file:/ABSOLUTE`, `env:NAME`. `kms:PATH` is asynchronous and core's (`attest`)
 *
 * reads the value into locked memory by the rules of the reference configuration (owner, mode, one link, one trailing newline cut)
 */
TeesqlSecret *teesql_config_resolve_secret (const char *reference, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_config_add_fact:
 *
 * names and values that the digest covers beside the file: plugin module and its SHA-384, cluster id
 */
typedef struct {
  const char *name;
  const char *value;
} TeesqlConfigFact;
/**
 * teesql_config_digest:
 *
 * SHA-384 of the security-relevant part in canonical form (docs/configuration-digest.md)
 */
void teesql_config_digest (const TeesqlConfig *self, const TeesqlConfigFact *facts, guint n_facts, guint8 out[48]);
/**
 * teesql_config_dump:
 * @effective: every key with its default, else only what was written
 *
 * Returns: (transfer full): keyfile text; references stay references
 */
char *teesql_config_dump (const TeesqlConfig *self, gboolean effective) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_config_dump_json (const TeesqlConfig *self, gboolean effective) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_config_merge_reload:
 * @out_pending: (transfer full) (array zero-terminated=1): `[proxy] listen`, keys that differ and need a restart
 *
 * Returns: (transfer full): @next with the `restart` keys of @running kept
 */
TeesqlConfig *teesql_config_merge_reload (const TeesqlConfig *running, const TeesqlConfig *next, char ***out_pending) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlConfig, teesql_config_unref)
G_END_DECLS
