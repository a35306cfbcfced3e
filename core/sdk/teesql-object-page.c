#include <teesql/teesql-object-info.h>

struct _TeesqlObjectPage
{
  gatomicrefcount ref_count;
  GPtrArray *objects;
  char *next_token;
};

G_DEFINE_BOXED_TYPE (TeesqlObjectPage, teesql_object_page, teesql_object_page_ref, teesql_object_page_unref)

TeesqlObjectPage *
teesql_object_page_new (GPtrArray *objects, const char *next_token)
{
  TeesqlObjectPage *self = NULL;

  g_return_val_if_fail (objects != NULL, NULL);

  self = g_new0 (TeesqlObjectPage, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->objects = g_ptr_array_new_full (objects->len, (GDestroyNotify) teesql_object_info_unref);
  for (guint i = 0; i < objects->len; i++)
    g_ptr_array_add (self->objects, teesql_object_info_ref (g_ptr_array_index (objects, i)));
  self->next_token = g_strdup (next_token);
  return self;
}

TeesqlObjectPage *
teesql_object_page_ref (TeesqlObjectPage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
teesql_object_page_unref (TeesqlObjectPage *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_ptr_array_unref (self->objects);
  g_free (self->next_token);
  g_free (self);
}

guint
teesql_object_page_get_n_objects (const TeesqlObjectPage *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->objects->len;
}

TeesqlObjectInfo *
teesql_object_page_get_object (const TeesqlObjectPage *self, guint index)
{
  g_return_val_if_fail (self != NULL && index < self->objects->len, NULL);

  return g_ptr_array_index (self->objects, index);
}

const char *
teesql_object_page_get_next_token (const TeesqlObjectPage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->next_token;
}
