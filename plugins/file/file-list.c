#include "file-list.h"

#include "file-name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* no name has it: what ends so stands behind everything that begins alike */
#define PASSED '\x7f'

typedef DIR FileDir;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FileDir, closedir)

typedef struct
{
  FileRoot *root;
  const char *prefix;
  char *after; /* only what lies behind it counts; moves on */
  guint max;
  GPtrArray *infos;
  GCancellable *cancellable;
} Listing;

/* Something in a folder: an object, or what the names of the objects below it begin with. */
typedef struct
{
  char *name;
  char *entry;
  gboolean is_folder;
} Found;

static void
found_free (gpointer data)
{
  Found *self = data;

  g_free (self->name);
  g_free (self->entry);
  g_free (self);
}

/* An object stands before the folder of what goes on from its name, which is called the same where it is a chunk. */
static int
compare_found (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Found *x = a;
  const Found *y = b;
  int order = strcmp (x->name, y->name);

  return order != 0 ? order : (int) x->is_folder - (int) y->is_folder;
}

static gboolean
may_count (const Listing *self, const Found *found)
{
  const char *name = found->name;

  if (!found->is_folder)
    return g_str_has_prefix (name, self->prefix) && (self->after == NULL || strcmp (name, self->after) > 0);
  if (!g_str_has_prefix (name, self->prefix) && !g_str_has_prefix (self->prefix, name))
    return FALSE;
  if (self->after == NULL || strcmp (name, self->after) > 0)
    return TRUE;
  return g_str_has_prefix (self->after, name) && self->after[strlen (name)] != PASSED;
}

static gboolean
is_folder (int folder, const struct dirent *entry, gboolean *out_is_folder)
{
  struct stat info;

  *out_is_folder = entry->d_type == DT_DIR;
  if (entry->d_type != DT_UNKNOWN)
    return entry->d_type == DT_DIR || entry->d_type == DT_REG;
  if (fstatat (folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
    return FALSE;
  *out_is_folder = S_ISDIR (info.st_mode);
  return *out_is_folder || S_ISREG (info.st_mode);
}

static Found *
look_at (Listing *self, int folder, const char *base, const struct dirent *entry)
{
  Found *found = NULL;
  char *name = NULL;
  gboolean folder_entry = FALSE;

  if (!is_folder (folder, entry, &folder_entry) || !file_name_decode (base, entry->d_name, folder_entry, &name))
    return NULL;
  found = g_new (Found, 1);
  *found = (Found){ name, g_strdup (entry->d_name), folder_entry };
  if (may_count (self, found))
    return found;
  found_free (found);
  return NULL;
}

/* lets the last one go when there are more than @keep */
static void
keep_first (GTree *tree, Found *found, guint keep)
{
  g_tree_insert (tree, found, found);
  if ((guint) g_tree_nnodes (tree) > keep)
    g_tree_remove (tree, g_tree_node_key (g_tree_node_last (tree)));
}

/* The first @keep entries of the folder that may count; *out_more: there were others. */
static GTree *
read_folder (Listing *self, FileDir *folder, const char *base, guint keep, gboolean *out_more, GError **error)
{
  g_autoptr (GTree) tree = g_tree_new_full (compare_found, NULL, found_free, NULL);
  struct dirent *entry = NULL;
  guint n = 0;

  while (errno = 0, (entry = readdir (folder)) != NULL)
    {
      Found *found = look_at (self, dirfd (folder), base, entry);

      if (found != NULL)
        keep_first (tree, found, keep);
      n += found != NULL ? 1 : 0;
      if (n % 1024 == 1023 && g_cancellable_set_error_if_cancelled (self->cancellable, error))
        return NULL;
    }
  if (errno != 0)
    {
      file_fail (error, FILE_DOING_READ, errno, "listing \"%s\"", base);
      return NULL;
    }
  *out_more = n > keep;
  return g_steal_pointer (&tree);
}

static void
pass (Listing *self, const char *name)
{
  g_free (self->after);
  self->after = g_strdup (name);
}

char *
file_list_tag (const struct stat *info)
{
  return g_strdup_printf ("%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x.%lx", (guint64) info->st_ino, (guint64) info->st_mtim.tv_sec,
                          (unsigned long) info->st_mtim.tv_nsec);
}

static void
add_object (Listing *self, int folder, const Found *found)
{
  struct stat info;
  g_autofree char *tag = NULL;

  pass (self, found->name);
  if (fstatat (folder, found->entry, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG (info.st_mode))
    return; /* removed in between */
  tag = file_list_tag (&info);
  g_ptr_array_add (self->infos, teesql_object_info_new (found->name, (guint64) info.st_size, info.st_mtim.tv_sec, tag));
}

static void
pass_all (Listing *self, const char *base)
{
  g_autofree char *end = g_strdup_printf ("%s%c", base, PASSED);

  pass (self, end);
}

static gboolean list_folder (Listing *self, int at, const char *entry, const char *base, GError **error);

static gboolean
list_found (Listing *self, FileDir *folder, GTree *tree, GError **error)
{
  for (GTreeNode *node = g_tree_node_first (tree); node != NULL && self->infos->len < self->max; node = g_tree_node_next (node))
    {
      const Found *found = g_tree_node_key (node);

      if (g_cancellable_set_error_if_cancelled (self->cancellable, error))
        return FALSE;
      if (!found->is_folder)
        add_object (self, dirfd (folder), found);
      else if (!list_folder (self, dirfd (folder), found->entry, found->name, error))
        return FALSE;
      else if (self->infos->len < self->max)
        pass_all (self, found->name);
    }
  return TRUE;
}

/* Folders may turn out empty, so a folder that had more than was kept is looked at again, from there on. */
static gboolean
list_folder (Listing *self, int at, const char *entry, const char *base, GError **error)
{
  g_auto (FileFd) fd = openat (at, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  g_autoptr (FileDir) folder = fd >= 0 ? fdopendir (fd) : NULL;
  gboolean more = TRUE;

  if (folder == NULL)
    return errno == ENOENT || file_fail (error, FILE_DOING_READ, errno, "listing \"%s\"", base);
  (void) g_steal_fd (&fd);
  while (more && self->infos->len < self->max)
    {
      g_autoptr (GTree) tree = NULL;

      rewinddir (folder);
      tree = read_folder (self, folder, base, self->max - self->infos->len, &more, error);
      if (tree == NULL || !list_found (self, folder, tree, error))
        return FALSE;
    }
  return TRUE;
}

TeesqlObjectPage *
file_list (FileRoot *root, const char *prefix, const char *after, guint max, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) infos = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_object_info_unref);
  g_auto (FileFd) fd = file_root_open_at (root, "", O_RDONLY | O_DIRECTORY);
  g_autofree char *start = g_strdup (after);
  Listing listing = { .root = root, .prefix = prefix, .max = max + 1, .infos = infos, .cancellable = cancellable };
  const char *token = NULL;
  gboolean well = FALSE;

  if (fd < 0)
    {
      file_fail (error, FILE_DOING_READ, errno, "listing %s", file_root_get_path (root));
      return NULL;
    }
  listing.after = g_steal_pointer (&start);
  well = list_folder (&listing, fd, ".", "", error);
  g_free (listing.after);
  if (!well)
    return NULL;
  if (infos->len > max) /* one more than asked, to know whether there is more */
    {
      g_ptr_array_set_size (infos, (int) max);
      token = teesql_object_info_get_name (infos->pdata[max - 1]);
    }
  return teesql_object_page_new (infos, token);
}
