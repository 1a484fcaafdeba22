/*
 * Annotations of the source code, which no compiler here reads:
 * https://learn.microsoft.com/en-us/cpp/code-quality/understanding-sal
 */
#ifndef SSPCACHE_SAL_H
#define SSPCACHE_SAL_H

#include "sspcache/base.h"

#define _In_
#define _In_z_
#define _In_opt_
#define _In_opt_z_
#define _Inout_
#define _Inout_z_
#define _Inout_opt_
#define _Out_
#define _Out_opt_
#define _Outptr_
#define _Outptr_opt_
#define _Outptr_result_maybenull_
#define _Outptr_result_z_
#define _Outptr_result_nullonfailure_
#define _COM_Outptr_
#define _Reserved_
#define _Const_
#define _Null_
#define _Notnull_
#define _Maybenull_
#define _Null_terminated_
#define _NullNull_terminated_
#define _Pre_
#define _Post_
#define _Pre_valid_
#define _Post_valid_
#define _Pre_z_
#define _Post_z_
#define _Post_invalid_
#define _Post_ptr_invalid_
#define _Valid_
#define _Notvalid_
#define _Ret_
#define _Ret_z_
#define _Ret_maybenull_
#define _Ret_maybenull_z_
#define _Ret_notnull_
#define _Ret_valid_
#define _Check_return_
#define _Must_inspect_result_
#define _Use_decl_annotations_
#define _Printf_format_string_
#define _Scanf_format_string_
#define _Always_(first)
#define _On_failure_(first)
#define _Success_(first)
#define _When_(first, second)
#define _At_(first, second)
#define _Return_type_success_(first)
#define _In_reads_(first)
#define _In_reads_opt_(first)
#define _In_reads_z_(first)
#define _In_reads_or_z_(first)
#define _In_reads_bytes_(first)
#define _In_reads_bytes_opt_(first)
#define _In_bytecount_(first)
#define _In_count_(first)
#define _Inout_updates_(first)
#define _Inout_updates_opt_(first)
#define _Inout_updates_z_(first)
#define _Inout_updates_bytes_(first)
#define _Inout_updates_to_(first, second)
#define _Inout_updates_all_(first)
#define _Inout_updates_bytes_to_(first, second)
#define _Out_writes_(first)
#define _Out_writes_opt_(first)
#define _Out_writes_z_(first)
#define _Out_writes_opt_z_(first)
#define _Out_writes_bytes_(first)
#define _Out_writes_bytes_opt_(first)
#define _Out_writes_to_(first, second)
#define _Out_writes_to_opt_(first, second)
#define _Out_writes_bytes_to_(first, second)
#define _Out_writes_bytes_to_opt_(first, second)
#define _Out_writes_all_(first)
#define _Out_writes_bytes_all_(first)
#define _Outptr_result_buffer_(first)
#define _Outptr_result_bytebuffer_(first)
#define _Deref_out_range_(first, second)
#define _In_range_(first, second)
#define _Out_range_(first, second)
#define _Ret_range_(first, second)
#define _Field_size_(first)
#define _Field_size_opt_(first)
#define _Field_size_bytes_(first)
#define _Field_size_bytes_opt_(first)
#define _Field_z_
#define _Field_range_(first, second)
#define _Struct_size_bytes_(first)
#define _Ret_writes_(first)
#define _Ret_writes_z_(first)
#define _Ret_writes_bytes_(first)
#define _Ret_writes_maybenull_(first)
#define _Acquires_lock_(first)
#define _Releases_lock_(first)
#define _Requires_lock_held_(first)
#define _Requires_lock_not_held_(first)
#define _Guarded_by_(first)
#define _Analysis_assume_(first)

#endif
