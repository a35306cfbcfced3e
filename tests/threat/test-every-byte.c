/* Every byte, every object and every exchange of two objects of a small repository. The plain build does all of it; under sanitizers, where
 * a look takes six times as long, of the catalog's records every seventh byte, and all of everything else. */
#include "repository-world.h"
#include "teesql-build.h"

#define RECORD_STRIDE ((gsize) (TEESQL_SANITIZED ? 7 : 1))

typedef struct
{
  ThreatWorld world;
  LyingStorage *storage;
  TeesqlCatalog *catalog;
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  threat_world_begin (&f->world);
  f->storage = f->world.storage;
  node_fill (&f->world.node);
  f->catalog = node_open (&f->world.node);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_object_unref (f->catalog);
  threat_world_end (&f->world);
}

static TeesqlVerifyReport *
verify (Fixture *f, gboolean deep)
{
  return threat_verify (f->catalog, deep);
}

static gboolean
has_damage (const TeesqlVerifyReport *report, const char *object)
{
  for (guint i = 0; i < report->findings->len; i++)
    {
      const TeesqlVerifyFinding *finding = g_ptr_array_index (report->findings, i);

      if (finding->severity == TEESQL_VERIFY_DAMAGE && g_str_equal (finding->object, object))
        return TRUE;
    }
  return FALSE;
}

typedef struct
{
  const char *name;
  const char *finding; /* what verify names when it is damaged */
  GBytes *genuine;
} Object;

static void
object_clear (gpointer data)
{
  g_bytes_unref (((Object *) data)->genuine);
}

/* @records: the catalog's, or all other ones */
static GArray *
collect (Fixture *f, GPtrArray *names, gboolean records)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (Object));

  g_array_set_clear_func (found, object_clear);
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      Object object = { name, records ? teesql_catalog_get_lineage (f->catalog)->text : name, NULL };

      if ((strstr (name, "/catalog/") != NULL) != records)
        continue;
      object.genuine = lying_storage_peek (f->storage, name);
      g_array_append_val (found, object);
    }
  return found;
}

/* every so manyth byte of each */
static guint64
total (const GArray *objects, gsize stride)
{
  guint64 n = 0;

  for (guint i = 0; i < objects->len; i++)
    n += (g_bytes_get_size (g_array_index (objects, Object, i).genuine) + stride - 1) / stride;
  return n;
}

/* Returns: whether it has so many bytes; if not, it is as it was. One bit is enough: all of a byte go through the same checks. */
static gboolean
flip (Fixture *f, const Object *object, gsize at)
{
  gsize size = g_bytes_get_size (object->genuine);
  guint8 *data = g_memdup2 (g_bytes_get_data (object->genuine, NULL), size);
  g_autoptr (GBytes) changed = g_bytes_new_take (data, size);

  if (at < size)
    data[at] ^= (guint8) (1u << (at % 8));
  lying_storage_set (f->storage, object->name, changed);
  return at < size;
}

/* What has more than @at bytes is named, and nothing else. Returns: how many these are. */
static guint
assert_named (Fixture *f, gboolean deep, const Object *objects, guint n, gsize at)
{
  g_autoptr (TeesqlVerifyReport) report = NULL;
  guint n_flipped = 0;
  guint n_named = 0;

  for (guint i = 0; i < n; i++)
    n_flipped += flip (f, &objects[i], at);
  report = verify (f, deep);
  for (guint i = 0; i < n; i++)
    if (at >= g_bytes_get_size (objects[i].genuine))
      continue;
    else if (has_damage (report, objects[i].finding))
      n_named++;
    else
      g_test_message ("%s: byte %" G_GSIZE_FORMAT " goes unnoticed", objects[i].name, at);
  if (n_named != n_flipped || report->n_damages != n_flipped)
    threat_print (report);
  g_assert_cmpuint (n_named, ==, n_flipped);
  g_assert_cmpuint (report->n_damages, ==, n_flipped);
  return n_flipped;
}

/* Whatever single byte of whatever single object: somebody says so, by the object's name. verify looks at each by itself and goes on behind
 * a finding, so one look judges a flip in every object; but a chain breaks once, so each byte of a record has a look of its own, a short
 * one, which reads as much of the chain. */
static void
every_single_byte_is_guarded (Fixture *f, gconstpointer unused)
{
  g_autoptr (GPtrArray) names = lying_storage_names (f->storage, "v1/");
  g_autoptr (GArray) records = collect (f, names, TRUE);
  g_autoptr (GArray) others = collect (f, names, FALSE);
  guint64 n_bytes = total (others, 1) + total (records, RECORD_STRIDE);
  guint64 n_flips = 0;
  guint n = 0;

  for (gsize at = 0; (n = assert_named (f, TRUE, &g_array_index (others, Object, 0), others->len, at)) > 0; at++)
    n_flips += n;
  for (guint i = 0; i < records->len; i++)
    for (gsize at = 0; assert_named (f, FALSE, &g_array_index (records, Object, i), 1, at) > 0; at += RECORD_STRIDE)
      n_flips++;
  g_test_message ("%" G_GUINT64_FORMAT " flips in %u objects, %u of them records", n_flips, names->len, records->len);
  g_assert_cmpuint (n_flips, ==, n_bytes);
  g_assert_cmpuint (n_flips, >, 5000);
}

static void
every_object_is_missed (Fixture *f, gconstpointer unused)
{
  g_autoptr (GPtrArray) names = lying_storage_names (f->storage, "v1/");

  for (guint i = 0; i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      g_autoptr (GBytes) bytes = lying_storage_peek (f->storage, name);
      g_autoptr (TeesqlVerifyReport) report = NULL;

      lying_storage_set (f->storage, name, NULL);
      report = verify (f, FALSE);
      if (report->n_damages == 0)
        g_error ("nobody misses %s", name);
      lying_storage_set (f->storage, name, bytes);
    }
}

static void
every_exchange_of_two_objects_is_noticed (Fixture *f, gconstpointer unused)
{
  g_autoptr (GPtrArray) names = lying_storage_names (f->storage, "v1/");

  for (guint i = 0; i < names->len; i++)
    for (guint j = i + 1; j < names->len; j++)
      {
        g_autoptr (TeesqlVerifyReport) report = NULL;

        lying_storage_swap (f->storage, g_ptr_array_index (names, i), g_ptr_array_index (names, j));
        report = verify (f, TRUE);
        g_assert_cmpuint (report->n_damages, >, 0); /* a chain ends at the first of two */
        lying_storage_swap (f->storage, g_ptr_array_index (names, i), g_ptr_array_index (names, j));
      }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/threat/repository/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("every-single-byte-is-guarded", every_single_byte_is_guarded);
  ADD ("every-object-is-missed", every_object_is_missed);
  ADD ("every-exchange-of-two-objects-is-noticed", every_exchange_of_two_objects_is_noticed);
  return g_test_run ();
}
