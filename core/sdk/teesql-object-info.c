#include <teesql/teesql-object-info.h>

struct _TeesqlObjectInfo
{
  gatomicrefcount ref_count;
  char *name;
  char *tag;
  guint64 size;
  gint64 modified_unix;
};

G_DEFINE_BOXED_TYPE (TeesqlObjectInfo, teesql_object_info, teesql_object_info_ref, teesql_object_info_unref)

TeesqlObjectInfo *
teesql_object_info_new (const char *name, guint64 size, gint64 modified_unix, const char *tag)
{
  TeesqlObjectInfo *self = NULL;

  g_return_val_if_fail (name != NULL, NULL);

  self = g_new0 (TeesqlObjectInfo, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->name = g_strdup (name);
  self->tag = g_strdup (tag);
  self->size = size;
  self->modified_unix = MAX (modified_unix, -1);
  return self;
}

TeesqlObjectInfo *
teesql_object_info_ref (TeesqlObjectInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
teesql_object_info_unref (TeesqlObjectInfo *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_free (self->name);
  g_free (self->tag);
  g_free (self);
}

const char *
teesql_object_info_get_name (const TeesqlObjectInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->name;
}

guint64
teesql_object_info_get_size (const TeesqlObjectInfo *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->size;
}

gint64
teesql_object_info_get_modified_unix (const TeesqlObjectInfo *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return self->modified_unix;
}

const char *
teesql_object_info_get_tag (const TeesqlObjectInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->tag;
}
