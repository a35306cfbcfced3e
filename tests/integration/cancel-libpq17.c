/* Cancels a query with PostgreSQL 17's own PQcancelBlocking, which sends the request inside TLS. libpq is opened at run time: the
 * headers of the build machine may be older. Connection parameters come from the PG* environment. */
#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

typedef void *(*connect_function) (const char *);
typedef int (*send_function) (void *, const char *);
typedef void *(*pointer_function) (void *);
typedef int (*int_function) (void *);
typedef void (*void_function) (void *);
typedef const char *(*text_function) (void *);

static void *library;

static void *
symbol (const char *name)
{
  void *found = dlsym (library, name);

  if (found == NULL)
    {
      fprintf (stderr, "libpq has no %s\n", name);
      exit (1);
    }
  return found;
}

int
main (void)
{
  void *conn = NULL;
  void *cancel = NULL;
  void *result = NULL;

  library = dlopen ("libpq.so.5", RTLD_NOW);
  if (library == NULL)
    {
      fprintf (stderr, "%s\n", dlerror ());
      return 1;
    }
  conn = ((connect_function) symbol ("PQconnectdb")) ("");
  if (((int_function) symbol ("PQstatus")) (conn) != 0)
    {
      fprintf (stderr, "%s", ((text_function) symbol ("PQerrorMessage")) (conn));
      return 1;
    }
  if (((send_function) symbol ("PQsendQuery")) (conn, "select pg_sleep(60)") != 1)
    return 1;
  cancel = ((pointer_function) symbol ("PQcancelCreate")) (conn);
  /* a cancel that overtakes its query does nothing, so ask until it is answered */
  for (int tries = 0; tries < 100 && ((int_function) symbol ("PQisBusy")) (conn); tries++)
    {
      struct pollfd answer = { .fd = ((int_function) symbol ("PQsocket")) (conn), .events = POLLIN };

      if (((int_function) symbol ("PQcancelBlocking")) (cancel) != 1)
        {
          fprintf (stderr, "cancel: %s", ((text_function) symbol ("PQcancelErrorMessage")) (cancel));
          return 1;
        }
      (void) poll (&answer, 1, 100);
      (void) ((int_function) symbol ("PQconsumeInput")) (conn);
      ((void_function) symbol ("PQcancelReset")) (cancel);
    }
  result = ((pointer_function) symbol ("PQgetResult")) (conn);
  printf ("%s", ((text_function) symbol ("PQresultErrorMessage")) (result));
  return 0;
}
