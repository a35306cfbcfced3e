/* What the data directory of a managed server is, and what follows from that. */
#include "postgres/teesql-data-directory.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "postgres/teesql-managed-memory.h"
#include "postgres/teesql-managed-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define STILL_THERE_MS 200
#define PATIENCE_MS    15000 /* beyond stop-timeout, for the server of an earlier run to be gone */

static int
make_password_pipe (TeesqlManagedPostgres *self)
{
  int ends[2] = { -1, -1 };
  gsize size = 0;
  const guint8 *bytes = teesql_secret_peek (self->password, &size);

  if (!g_unix_open_pipe (ends, FD_CLOEXEC, NULL))
    return -1;
  /* far below what a pipe holds */
  if (write (ends[1], bytes, size) != (gssize) size || write (ends[1], "\n", 1) != 1)
    teesql_log_error ("postgres", "the password cannot be passed on: %s", g_strerror (errno));
  close (ends[1]);
  return ends[0];
}

static void
initialize (TeesqlManagedPostgres *self)
{
  teesql_log_info ("postgres", "making a new cluster in %s", self->place->data_directory);
  teesql_managed_enter (self, TEESQL_MANAGED_INITIALIZING);
  teesql_managed_verdict_set (&self->verdict, teesql_managed_health_when_waiting (self), "postgres-initializing",
                              "a new cluster is being made");
  teesql_server_log_forget (self->log);
  teesql_managed_ask (self, TEESQL_LAUNCH_INITDB, 0, make_password_pipe (self));
}

void
teesql_managed_initialized (TeesqlManagedPostgres *self, const TeesqlLaunchMessage *message)
{
  const char *problem = teesql_server_log_get_problem (self->log);
  gboolean full = teesql_server_log_saw_full_disk (self->log);
  g_autofree char *text = NULL;

  if (message->reason[0] == '\0')
    {
      teesql_managed_look (self);
      return;
    }
  text = g_strdup_printf ("%s%s%s", message->text, problem != NULL ? ": " : "", problem != NULL ? problem : "");
  teesql_managed_refuse (self, full ? "disk-full" : message->reason, text);
}

/* This node had data. That they are gone is for a person to see, not for an empty database to hide. */
static void
refuse_empty (TeesqlManagedPostgres *self, guint64 remembered)
{
  g_autofree char *path = teesql_managed_memory_dup_path (self->place->state_directory);
  g_autofree char *text = g_strdup_printf ("%s is empty, but cluster %" G_GUINT64_FORMAT " was there before\n"
                                           "hint: mount its volume, or restore it; to begin a new one, remove %s",
                                           self->place->data_directory, remembered, path);

  teesql_managed_refuse (self, "data-directory-emptied", text);
}

static void
begin_new (TeesqlManagedPostgres *self)
{
  guint64 remembered = teesql_managed_memory_load (self->place->state_directory);

  if (remembered != 0)
    refuse_empty (self, remembered);
  else
    initialize (self);
}

static void
found_empty (TeesqlManagedPostgres *self)
{
  if (self->filler == NULL)
    {
      begin_new (self);
      return;
    }
  teesql_managed_enter (self, TEESQL_MANAGED_FILLING);
  teesql_managed_verdict_set (&self->verdict, teesql_managed_health_when_waiting (self), "postgres-filling",
                              "the data directory is filled from a backup");
  self->filling = TRUE;
  self->filler (self, self->place, self->filler_data);
}

void
teesql_managed_postgres_filled (TeesqlManagedPostgres *self, gboolean filled, const GError *error)
{
  g_return_if_fail (self->filling);

  self->filling = FALSE;
  if (self->state != TEESQL_MANAGED_FILLING)
    return;
  if (error != NULL)
    teesql_managed_refuse (self, teesql_error_get_reason (error), error->message);
  else if (filled)
    teesql_managed_look (self);
  else
    begin_new (self);
}

static gboolean
check_identity (TeesqlManagedPostgres *self, guint64 identifier)
{
  guint64 remembered = teesql_managed_memory_load (self->place->state_directory);
  g_autofree char *path = teesql_managed_memory_dup_path (self->place->state_directory);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  if (remembered == 0 && !teesql_managed_memory_save (self->place->state_directory, identifier, &error))
    {
      teesql_managed_refuse (self, "state-unwritable", error->message);
      return FALSE;
    }
  if (remembered == 0 || remembered == identifier)
    return TRUE;
  text = g_strdup_printf ("%s holds cluster %" G_GUINT64_FORMAT ", expected %" G_GUINT64_FORMAT "\n"
                          "hint: mount the right volume; where the other one is meant, remove %s",
                          self->place->data_directory, identifier, remembered, path);
  teesql_managed_refuse (self, "data-directory-exchanged", text);
  return FALSE;
}

static void
found_cluster (TeesqlManagedPostgres *self, const TeesqlLaunchMessage *message)
{
  if (!check_identity (self, message->identifier))
    return;
  self->system_identifier = message->identifier;
  teesql_status_remove_notice (self->status, "data-checksums-off", "");
  if ((message->flags & TEESQL_DATA_CHECKSUMS) == 0)
    {
      static const char text[] = "the cluster was made without data checksums: a block that the disk changed is not noticed\n"
                                 "hint: stop it and run pg_checksums --enable";
      teesql_log_warning ("postgres", "data-checksums-off: %s", text);
      teesql_status_add_notice (self->status, "data-checksums-off", "", text);
    }
  if ((message->flags & TEESQL_DATA_RECOVERY) != 0)
    teesql_log_info ("postgres", "%s is to be recovered", self->place->data_directory);
  teesql_managed_configure (self);
}

/* A server of before is waited for: whoever started it is told to stop it. One that stays is not ours to end. */
static void
found_running (TeesqlManagedPostgres *self, const TeesqlLaunchMessage *message)
{
  gint64 now = g_get_monotonic_time ();
  g_autofree char *text = NULL;

  if (self->waits_since_us == 0)
    {
      self->waits_since_us = now;
      teesql_log_info ("postgres", "waiting: %s", message->text);
      teesql_managed_verdict_set (&self->verdict, teesql_managed_health_when_waiting (self), message->reason, message->text);
    }
  if (now - self->waits_since_us < (gint64) (self->place->stop_timeout_ms + PATIENCE_MS) * 1000)
    {
      teesql_managed_later (self, STILL_THERE_MS, teesql_managed_look);
      return;
    }
  text = g_strdup_printf ("%s, and does not end\nhint: whoever started it can stop it: pg_ctl stop", message->text);
  teesql_managed_refuse (self, message->reason, text);
}

void
teesql_managed_judged (TeesqlManagedPostgres *self, const TeesqlLaunchMessage *message)
{
  if (message->verb == TEESQL_LAUNCH_JUDGED && message->state != TEESQL_DATA_RUNNING)
    self->waits_since_us = 0;
  if (message->verb != TEESQL_LAUNCH_JUDGED || message->state >= TEESQL_DATA_REFUSED)
    teesql_managed_refuse (self, message->reason, message->text);
  else if (message->state == TEESQL_DATA_RUNNING)
    found_running (self, message);
  else if (message->state == TEESQL_DATA_EMPTY)
    found_empty (self);
  else
    found_cluster (self, message);
}
