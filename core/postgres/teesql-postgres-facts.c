#include "postgres/teesql-postgres-facts.h"
#include "postgres/teesql-postgres.h"
#include "base/teesql-domains.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define STATE_LISTEN "0A" /* TCP_LISTEN of include/net/tcp_states.h */
#define V4_DIGITS    8
#define V6_DIGITS    32

gboolean
teesql_postgres_check_version (const char *number, const char *version, GError **error)
{
  guint64 parsed = 0;

  if (g_ascii_string_to_unsigned (number, 10, 0, G_MAXUINT32, &parsed, NULL) && parsed / 10000 == TEESQL_POSTGRES_MAJOR)
    return TRUE;
  g_propagate_error (error, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_UNSUPPORTED, "postgres-version", 0,
                                              "PostgreSQL %s is not supported, expected %d", version, TEESQL_POSTGRES_MAJOR));
  return FALSE;
}

static gboolean
refuse_address (GError **error, const char *where, const char *address)
{
  g_propagate_error (error, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_REFUSED, "postgres-listens-beyond-loopback", 0,
                                              "PostgreSQL listens beyond loopback: %s '%s'; who reaches it passes by the attestation\n"
                                              "hint: set listen_addresses = 'localhost' or '' in postgresql.conf and restart PostgreSQL",
                                              where, address));
  return FALSE;
}

typedef enum
{
  ADDRESS_LOOPBACK,
  ADDRESS_OTHER,
  ADDRESS_NAME
} AddressKind;

static AddressKind
classify_address (const char *text)
{
  struct in_addr v4;
  struct in6_addr v6;

  if (inet_pton (AF_INET, text, &v4) == 1)
    return ntohl (v4.s_addr) >> 24 == IN_LOOPBACKNET ? ADDRESS_LOOPBACK : ADDRESS_OTHER;
  if (inet_pton (AF_INET6, text, &v6) == 1)
    return IN6_IS_ADDR_LOOPBACK (&v6) ? ADDRESS_LOOPBACK : ADDRESS_OTHER;
  return g_str_equal (text, "*") ? ADDRESS_OTHER : ADDRESS_NAME;
}

gboolean
teesql_postgres_check_addresses (const char *listen_addresses, gboolean *out_named, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (listen_addresses, ",", -1);
  gboolean named = FALSE;

  for (guint i = 0; parts[i] != NULL; i++)
    {
      /* the setting is a list of identifiers: blanks around, and names may stand in double quotes */
      char *text = g_strstrip (parts[i]);
      gsize size = strlen (text);

      if (size >= 2 && text[0] == '"' && text[size - 1] == '"')
        {
          text[size - 1] = '\0';
          text++;
        }
      if (*text == '\0')
        continue;
      switch (classify_address (text))
        {
        case ADDRESS_LOOPBACK:
          break;
        case ADDRESS_OTHER:
          return refuse_address (error, "listen_addresses has", text);
        case ADDRESS_NAME:
          named = TRUE;
          break;
        }
    }
  *out_named = named;
  return TRUE;
}

/* The kernel prints an address as numbers of 32 bits in its own byte order. Returns: FALSE when it is none */
static gboolean
parse_words (const char *hex, gsize digits, guint32 *out_words)
{
  for (gsize i = 0; i < digits / V4_DIGITS; i++)
    {
      g_autofree char *word = g_strndup (hex + i * V4_DIGITS, V4_DIGITS);
      guint64 value = 0;

      if (!g_ascii_string_to_unsigned (word, 16, 0, G_MAXUINT32, &value, NULL))
        return FALSE;
      out_words[i] = g_ntohl ((guint32) value);
    }
  return TRUE;
}

static gboolean
is_loopback (const char *hex)
{
  gsize digits = strlen (hex);
  guint32 words[V6_DIGITS / V4_DIGITS] = { 0 };

  if ((digits != V4_DIGITS && digits != V6_DIGITS) || !parse_words (hex, digits, words))
    return FALSE;
  if (digits == V4_DIGITS)
    return words[0] >> 24 == IN_LOOPBACKNET;
  if (words[0] == 0 && words[1] == 0 && words[2] == 0xffff)
    return words[3] >> 24 == IN_LOOPBACKNET;
  return words[0] == 0 && words[1] == 0 && words[2] == 0 && words[3] == 1;
}

typedef struct
{
  char *address;
  guint64 port;
  guint64 uid;
  gboolean listens;
} SocketRow;

/* `  0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101 …` (proc_pid_net (5)) */
static gboolean
parse_row (const char *line, SocketRow *out)
{
  g_auto (GStrv) words = NULL;
  g_auto (GStrv) local = NULL;
  g_autoptr (GPtrArray) fields = g_ptr_array_new ();

  words = g_strsplit_set (line, " \t", -1);
  for (guint i = 0; words[i] != NULL; i++)
    if (*words[i] != '\0')
      g_ptr_array_add (fields, words[i]);
  if (fields->len < 8)
    return FALSE;
  local = g_strsplit (g_ptr_array_index (fields, 1), ":", 2);
  if (g_strv_length (local) != 2 || !g_ascii_string_to_unsigned (local[1], 16, 0, G_MAXUINT16, &out->port, NULL) ||
      !g_ascii_string_to_unsigned (g_ptr_array_index (fields, 7), 10, 0, G_MAXUINT32, &out->uid, NULL))
    return FALSE;
  out->listens = g_str_equal (g_ptr_array_index (fields, 3), STATE_LISTEN);
  out->address = g_strdup (local[0]);
  return TRUE;
}

gboolean
teesql_postgres_check_sockets (const char *rows, guint port, guint uid, gboolean named, GError **error)
{
  g_auto (GStrv) lines = NULL;

  if (rows == NULL)
    return !named || refuse_address (error, "listen_addresses names a host, and its sockets cannot be read, so", "unknown");
  lines = g_strsplit (rows, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      SocketRow row = { 0 };
      g_autofree char *address = NULL;

      if (!parse_row (lines[i], &row))
        continue; /* the heading */
      address = row.address;
      if (row.listens && row.port == port && row.uid == uid && !is_loopback (address))
        return refuse_address (error, "an open socket at", address);
    }
  return TRUE;
}
