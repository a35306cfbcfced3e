#pragma once
#include <glib.h>
#include <string.h>

/* g_assert_cmpmem () of GLib 2.74 compares sizes as int, which -Wconversion refuses. */
#define assert_bytes(a, a_size, b, b_size)                                                                                         \
  G_STMT_START                                                                                                                     \
  {                                                                                                                                \
    g_assert_cmpuint ((a_size), ==, (b_size));                                                                                     \
    g_assert_true (memcmp ((a), (b), (b_size)) == 0);                                                                          \
  }                                                                                                                                \
  G_STMT_END
