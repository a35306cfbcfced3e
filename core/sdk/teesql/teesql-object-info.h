#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

#define TEESQL_STORAGE_NAME_MAX  ((gsize) 512)
#define TEESQL_STORAGE_PAGE_MAX  1000
#define TEESQL_STORAGE_TOKEN_MAX ((gsize) 4096)

/**
 * TeesqlObjectInfo:
 *
 * one stored object. Boxed, refcounted, immutable.
 */
typedef struct _TeesqlObjectInfo TeesqlObjectInfo;
#define TEESQL_TYPE_OBJECT_INFO (teesql_object_info_get_type ())
TEESQL_API GType teesql_object_info_get_type (void);
/**
 * teesql_object_info_new:
 * @size: bytes stored
 * @modified_unix: seconds, -1 when not known; the store's clock, for display only
 * @tag: (nullable): opaque version of the content (ETag, generation), for display and conditional requests
 */
TEESQL_API TeesqlObjectInfo *teesql_object_info_new (const char *name, guint64 size, gint64 modified_unix, const char *tag) TEESQL_MUST_USE;
TEESQL_API TeesqlObjectInfo *teesql_object_info_ref (TeesqlObjectInfo *self);
TEESQL_API void teesql_object_info_unref (TeesqlObjectInfo *self);
TEESQL_API const char *teesql_object_info_get_name (const TeesqlObjectInfo *self);
TEESQL_API guint64 teesql_object_info_get_size (const TeesqlObjectInfo *self);
TEESQL_API gint64 teesql_object_info_get_modified_unix (const TeesqlObjectInfo *self);
TEESQL_API const char *teesql_object_info_get_tag (const TeesqlObjectInfo *self);

/**
 * TeesqlObjectPage:
 *
 * one answer of list. Boxed, refcounted, immutable.
 */
typedef struct _TeesqlObjectPage TeesqlObjectPage;
#define TEESQL_TYPE_OBJECT_PAGE (teesql_object_page_get_type ())
TEESQL_API GType teesql_object_page_get_type (void);
/**
 * teesql_object_page_new:
 * @objects: (element-type TeesqlObjectInfo) (transfer none): 0..1000, strictly ascending by bytes of the name
 * @next_token: (nullable): %NULL on the last page. An empty page with a token is allowed.
 */
TEESQL_API TeesqlObjectPage *teesql_object_page_new (GPtrArray *objects, const char *next_token) TEESQL_MUST_USE;
TEESQL_API TeesqlObjectPage *teesql_object_page_ref (TeesqlObjectPage *self);
TEESQL_API void teesql_object_page_unref (TeesqlObjectPage *self);
TEESQL_API guint teesql_object_page_get_n_objects (const TeesqlObjectPage *self);
TEESQL_API TeesqlObjectInfo *teesql_object_page_get_object (const TeesqlObjectPage *self, guint index);
TEESQL_API const char *teesql_object_page_get_next_token (const TeesqlObjectPage *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlObjectInfo, teesql_object_info_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlObjectPage, teesql_object_page_unref)
G_END_DECLS
