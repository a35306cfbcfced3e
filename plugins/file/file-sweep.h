#pragma once
#include <glib.h>

G_BEGIN_DECLS

/* An upload that nothing was added to for a day is nobody's any more. */
#define FILE_UPLOAD_MAX_AGE_S ((gint64) 24 * 3600)

/* takes away what crashes left in the hidden folder: temporary files that no process holds, and uploads past their age */
void file_sweep (int work_fd);
/* takes away an upload, with all in it; %TRUE when nothing is left */
gboolean file_sweep_upload (int work_fd, const char *id);

G_END_DECLS
