#include "config/teesql-config-scanner.h"

typedef struct
{
  char *file;
  char *text;
  guint rank;
  guint line;
} Finding;

struct _TeesqlConfigFindings
{
  GPtrArray *array;
  guint n_more; /* found beyond the bound */
};

static void
finding_free (Finding *self)
{
  g_free (self->file);
  g_free (self->text);
  g_free (self);
}

TeesqlConfigFindings *
teesql_config_findings_new (void)
{
  TeesqlConfigFindings *self = g_new0 (TeesqlConfigFindings, 1);

  self->array = g_ptr_array_new_with_free_func ((GDestroyNotify) finding_free);
  return self;
}

void
teesql_config_findings_free (TeesqlConfigFindings *self)
{
  g_ptr_array_unref (self->array);
  g_free (self);
}

void
teesql_config_findings_add (TeesqlConfigFindings *self, const char *file, guint rank, guint line, char *text)
{
  Finding *finding = NULL;

  if (self->array->len >= TEESQL_CONFIG_MAX_FINDINGS)
    {
      self->n_more++;
      g_free (text);
      return;
    }
  finding = g_new0 (Finding, 1);
  finding->file = g_strdup (file);
  finding->text = text;
  finding->rank = rank;
  finding->line = line;
  g_ptr_array_add (self->array, finding);
}

gboolean
teesql_config_findings_is_empty (const TeesqlConfigFindings *self)
{
  return self->array->len == 0;
}

static int
compare_findings (gconstpointer a, gconstpointer b)
{
  const Finding *x = *(const Finding *const *) a;
  const Finding *y = *(const Finding *const *) b;

  if (x->rank != y->rank)
    return x->rank < y->rank ? -1 : 1;
  if (x->line != y->line)
    return x->line < y->line ? -1 : 1;
  return 0;
}

char *
teesql_config_findings_dup_report (TeesqlConfigFindings *self)
{
  GString *report = g_string_new (NULL);

  g_ptr_array_sort (self->array, compare_findings); /* a merge sort in GLib: equal lines keep their order */
  for (guint i = 0; i < self->array->len; i++)
    {
      const Finding *finding = self->array->pdata[i];

      if (i > 0)
        g_string_append_c (report, '\n');
      if (finding->line > 0)
        g_string_append_printf (report, "%s:%u: %s", finding->file, finding->line, finding->text);
      else
        g_string_append_printf (report, "%s: %s", finding->file, finding->text);
    }
  if (self->n_more > 0)
    g_string_append_printf (report, "\nand %u more", self->n_more);
  return g_string_free (report, FALSE);
}
