#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/* Archives as PostgreSQL writes them, and as an attacker would. @flag: `0` file, `5` folder, `2` link, or anything else. */
void tar_fixture_add (GByteArray *tar, char flag, const char *name, const char *link, const char *content);
/* the header alone, to be spoilt; tar_fixture_seal() makes its checksum right again */
guint8 *tar_fixture_header (GByteArray *tar, char flag, const char *name, const char *link, guint64 size);
void tar_fixture_seal (guint8 *header);
void tar_fixture_pad (GByteArray *tar);
void tar_fixture_end (GByteArray *tar);

G_END_DECLS
