#pragma once
#include <teesql/teesql-macros.h>

/* Options that both types have: construct-only, writable, durations in ms (the loader knows by the qdata `teesql-unit`). */
GParamSpec *dstack_property_endpoint (void);
GParamSpec *dstack_property_timeout (const char *name, const char *blurb, guint default_ms);
