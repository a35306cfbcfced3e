#pragma once
#include "postgres/teesql-role-keys.h"
#include <gio/gio.h>

/* A PostgreSQL as far as a proxy sees it: SCRAM, ParameterStatus, a cancel key, and a few statements of its own:
 *   `echo TEXT`   one DataRow with TEXT
 *   `rows N`      N DataRows of 1000 bytes
 *   `sleep`       nothing, until a cancel request comes: then an error and ReadyForQuery
 *   `die`         half a message, then a reset
 * Anything else is an error. */
typedef struct
{
  char *folder;
  int listener;
  GThread *thread;
  GMutex mutex;
  GCond cond;
  TeesqlSecret *roles_key;
  gboolean closing;
  /* what was seen */
  guint n_logins;
  guint n_open;
  guint n_connections;
  guint n_cancels; /* with the right key */
  guint n_wrong_cancels;
  char *last_startup; /* `name=value,…` as they came */
  /* what to do */
  gboolean trust;              /* lets in without asking */
  gboolean wrong_password;     /* provisioned with another one */
  const char *refuse_sqlstate; /* after authentication */
} FakeServer;

FakeServer *fake_server_new (TeesqlSecret *roles_key);
void fake_server_free (FakeServer *self);
/* Number @field of @self, which other threads change. */
guint fake_server_get (FakeServer *self, guint *field);
