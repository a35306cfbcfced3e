#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/* TEESQL_API: a symbol of libteesql-1 (the library is built with hidden visibility and a version script).
 * TEESQL_MUST_USE: ignoring the result does not compile cleanly. */
#define TEESQL_API      __attribute__ ((visibility ("default"))) extern
#define TEESQL_MUST_USE G_GNUC_WARN_UNUSED_RESULT

/* Slots kept free in each interface vtable. GType allocates vtables at the size the *library* registered, so a
 * plugin built against an older header keeps working when a slot is used; the padding keeps offsets and abidiff calm. */
#define TEESQL_PADDING 8

G_END_DECLS
