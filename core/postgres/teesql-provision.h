#pragma once
#include "config/teesql-config.h"
#include "postgres/teesql-backend.h"

G_BEGIN_DECLS

/**
 * TeesqlRemark:
 *
 * something about the server that the operator should see; becomes a notice of #TeesqlStatus
 */
typedef struct {
  char *reason;
  char *key;
  char *message;
  gboolean degrades; /* sessions will fail, or our passwords are pointless */
} TeesqlRemark;

/**
 * TeesqlProvisioned:
 */
typedef struct {
  TeesqlBackend *backend;
  char *version;
  GPtrArray *changes; /* char* */
  GPtrArray *remarks; /* TeesqlRemark* */
} TeesqlProvisioned;
void teesql_provisioned_free (TeesqlProvisioned *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlProvisioned, teesql_provisioned_free)

/**
 * teesql_provision_async:
 *
 * the whole of teesql_postgres_provision_async(), without status: one queue of steps over one connection after the other
 */
void teesql_provision_async (TeesqlConfig *config, TeesqlSecret *admin_password, TeesqlSecret *roles_key, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);
TeesqlProvisioned *teesql_provision_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
