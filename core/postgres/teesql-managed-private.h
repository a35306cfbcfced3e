#pragma once
/* Between the files of TeesqlManagedPostgres. */
#include "postgres/teesql-launch-message.h"
#include "postgres/teesql-managed-postgres.h"
#include "postgres/teesql-managed-verdict.h"
#include "postgres/teesql-server-log.h"

G_BEGIN_DECLS

struct _TeesqlManagedPostgres
{
  GObject parent_instance;
  TeesqlManagedPlace *place;
  TeesqlConfig *config;
  TeesqlStatus *status;
  TeesqlServerLog *log;
  TeesqlSecret *password;
  GPtrArray *core_settings; /* TeesqlServerSetting */
  char *written;            /* text of the postgresql.conf that the server has */
  TeesqlManagedFiller filler;
  gpointer filler_data;
  GCancellable *probing;
  GTask *stop_task;
  TeesqlManagedVerdict verdict;
  TeesqlManagedState state;
  int socket;
  guint socket_id;
  guint timer_id; /* the one next thing */
  guint tick_id;
  guint32 serial;
  guint32 awaited; /* serial of the question under way, 0: none */
  TeesqlLaunchVerb asked;
  gint pid;
  guint64 system_identifier;
  gint64 waits_since_us; /* for somebody else's server to be gone */
  gint64 ready_since_us;
  guint n_refused;
  gboolean served; /* was ready once */
  gboolean low_disk;
  gboolean full_disk; /* shown while it runs */
  gboolean filling;
  gboolean restarting;
  gboolean settings_changed; /* while a question was under way */
};

typedef void (*TeesqlManagedNext) (TeesqlManagedPostgres *self);

void teesql_managed_enter (TeesqlManagedPostgres *self, TeesqlManagedState state);
/* not yet, or no longer */
TeesqlHealth teesql_managed_health_when_waiting (const TeesqlManagedPostgres *self);
/* @attached: taken; -1 for none */
void teesql_managed_ask (TeesqlManagedPostgres *self, TeesqlLaunchVerb verb, gint32 number, int attached);
/* the one next thing; takes the place of what was to come before */
void teesql_managed_later (TeesqlManagedPostgres *self, guint ms, TeesqlManagedNext next);
/* Nothing was changed; somebody has to act, and then it goes on by itself. */
void teesql_managed_refuse (TeesqlManagedPostgres *self, const char *reason, const char *message);
void teesql_managed_look (TeesqlManagedPostgres *self);      /* at the data directory; everything begins there */
void teesql_managed_configure (TeesqlManagedPostgres *self); /* writes the settings, then starts or reloads */
/* answers of the launcher about the data directory */
void teesql_managed_judged (TeesqlManagedPostgres *self, const TeesqlLaunchMessage *message);
void teesql_managed_initialized (TeesqlManagedPostgres *self, const TeesqlLaunchMessage *message);

G_END_DECLS
