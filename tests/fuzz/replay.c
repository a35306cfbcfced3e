/* Runs a fuzz target over every file of a folder, as an ordinary test: a corpus that is not replayed rots. */
#include <glib.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
main (int argc, char **argv)
{
  g_autoptr (GDir) dir = argc == 2 ? g_dir_open (argv[1], 0, NULL) : NULL;
  const char *name = NULL;
  guint n = 0;

  if (dir == NULL)
    {
      g_printerr ("usage: %s CORPUS-FOLDER\n", argv[0]);
      return 1;
    }
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (argv[1], name, NULL);
      g_autofree char *data = NULL;
      g_autoptr (GError) error = NULL;
      gsize size = 0;

      if (!g_file_get_contents (path, &data, &size, &error))
        {
          printf ("not ok %u - %s: %s\n", ++n, name, error->message);
          continue;
        }
      /* an exact allocation, so that AddressSanitizer sees one byte too far */
      g_autofree guint8 *exact = g_memdup2 (data, size);
      LLVMFuzzerTestOneInput (exact, size);
      printf ("ok %u - %s\n", ++n, name);
      fflush (stdout);
    }
  if (n == 0)
    printf ("not ok %u - the corpus is empty\n", ++n);
  printf ("1..%u\n", n);
  return 0;
}
