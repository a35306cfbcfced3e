#include "attest/teesql-panel.h"
#include "base/teesql-log.h"

#define NOTICE_SKIP "verifier-skip"

static gboolean
reads_skip (TeesqlConfig *config, const char *name)
{
  g_autofree char *group = g_strconcat ("verifier:", name, NULL);

  return g_strcmp0 (teesql_config_get_string (config, group, "when-unavailable"), "skip") == 0;
}

TeesqlPanel *
teesql_panel_new (TeesqlVerifier *const *verifiers, const char *const *names, guint n, TeesqlConfig *config, TeesqlStatus *status)
{
  TeesqlPanel *self = g_rc_box_new0 (TeesqlPanel);

  self->verifiers = g_ptr_array_new_with_free_func (g_object_unref);
  self->names = g_new0 (char *, n + 1);
  self->may_skip = g_new0 (gboolean, n + 1);
  self->status = status != NULL ? g_object_ref (status) : NULL;
  for (guint i = 0; i < n; i++)
    {
      g_ptr_array_add (self->verifiers, g_object_ref (verifiers[i]));
      self->names[i] = names != NULL && names[i] != NULL ? g_strdup (names[i]) : g_strdup_printf ("verifier-%u", i + 1);
      self->may_skip[i] = reads_skip (config, self->names[i]);
    }
  return self;
}

TeesqlPanel *
teesql_panel_ref (TeesqlPanel *self)
{
  return g_rc_box_acquire (self);
}

static void
panel_clear (gpointer data)
{
  TeesqlPanel *self = data;

  g_ptr_array_unref (self->verifiers);
  g_strfreev (self->names);
  g_free (self->may_skip);
  g_clear_object (&self->status);
}

void
teesql_panel_unref (TeesqlPanel *self)
{
  g_rc_box_release_full (self, panel_clear);
}

void
teesql_panel_publish (const TeesqlPanel *self)
{
  for (guint i = 0; self->names[i] != NULL; i++)
    {
      g_autofree char *message = NULL;

      if (!self->may_skip[i])
        continue;
      message =
          g_strdup_printf ("[verifier:%s] when-unavailable = skip: while it cannot be asked, peers are judged without it", self->names[i]);
      teesql_log_warning ("attest", "%s", message);
      if (self->status != NULL)
        teesql_status_add_notice (self->status, NOTICE_SKIP, self->names[i], message);
    }
}

void
teesql_panel_note_disagreement (const TeesqlPanel *self, const char *opinions)
{
  teesql_log_warning ("attest", "verifiers disagree: %s", opinions);
  if (self->status != NULL)
    teesql_status_count (self->status, TEESQL_COUNTER_VERIFIER_DISAGREEMENTS, 1);
}
