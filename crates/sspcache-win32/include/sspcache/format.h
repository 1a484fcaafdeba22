/*
 * Formatted output as Windows has it, for strsafe.h, tchar.h and the wide functions: l means 32 bits, I64 and ll 64; s is a text of
 * the function's own form, S of the other, hs of bytes, ls of WCHAR.
 * https://learn.microsoft.com/en-us/cpp/c-runtime-library/format-specification-syntax-printf-and-wprintf-functions
 */
#ifndef SSPCACHE_FORMAT_H
#define SSPCACHE_FORMAT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../stringapiset.h"
#include "base.h"

#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#endif

/* Where the text goes: units of a buffer that ends with a null, as many as there is room for. */
struct sspcacheOutput {
    void *units;
    size_t room;
    size_t length;
    int is_wide;
};

static inline void sspcachePut(struct sspcacheOutput *output, int unit)
{
    if (output->length + 1 < output->room) {
        if (output->is_wide)
            ((WCHAR *)output->units)[output->length] = (WCHAR)unit;
        else
            ((char *)output->units)[output->length] = (char)unit;
    }
    output->length++;
}

static inline int sspcacheUnit(const void *text, size_t at, int is_wide)
{
    return is_wide ? (int)((const WCHAR *)text)[at] : (int)((const unsigned char *)text)[at];
}

/* Puts a text into a field of at least this width, from its left or right end. Of a text in the other form, it puts that in this one. */
static inline void sspcachePutText(struct sspcacheOutput *output, const void *text, int is_wide, long length, int width, int is_left)
{
    void *other = NULL;
    long at;

    if (is_wide != output->is_wide && length > 0) {
        int size = (int)length;
        int room = is_wide ? WideCharToMultiByte(CP_UTF8, 0, (LPCWSTR)text, size, NULL, 0, NULL, NULL)
                           : MultiByteToWideChar(CP_UTF8, 0, (LPCSTR)text, size, NULL, 0);

        other = malloc((size_t)room * 2 + 1);
        if (other == NULL)
            room = 0;
        else if (is_wide)
            WideCharToMultiByte(CP_UTF8, 0, (LPCWSTR)text, size, (LPSTR)other, room, NULL, NULL);
        else
            MultiByteToWideChar(CP_UTF8, 0, (LPCSTR)text, size, (LPWSTR)other, room);
        text = other;
        length = room;
    }
    for (at = length; !is_left && at < width; at++)
        sspcachePut(output, ' ');
    for (at = 0; at < length; at++)
        sspcachePut(output, sspcacheUnit(text, (size_t)at, output->is_wide));
    for (at = length; is_left && at < width; at++)
        sspcachePut(output, ' ');
    free(other);
}

/*
 * Formats into a buffer with room for so many units, and ends the text with a null if there is room for one. Returns the length of
 * the whole text without the null, and -1 for a format that is wrong.
 */
static inline long sspcacheFormat(void *buffer, size_t room, int is_wide, const void *format, va_list arguments)
{
    struct sspcacheOutput output;
    size_t at = 0;
    int unit;

    output.units = buffer;
    output.room = room;
    output.length = 0;
    output.is_wide = is_wide;
    for (; (unit = sspcacheUnit(format, at, is_wide)) != 0; at++) {
        char specification[64] = "%", number[400];
        size_t end = 1;
        int width = 0, precision = -1, is_left = 0, bits = 32, form = is_wide, size = 0;

        if (unit != '%') {
            sspcachePut(&output, unit);
            continue;
        }
        for (unit = sspcacheUnit(format, ++at, is_wide); unit != 0 && unit < 128 && strchr("-+ #0", unit) != NULL;
             unit = sspcacheUnit(format, ++at, is_wide)) {
            is_left |= unit == '-';
            if (end < 8)
                specification[end++] = (char)unit;
        }
        if (unit == '*') {
            width = va_arg(arguments, int);
            if (width < 0) {
                is_left = 1;
                specification[end++] = '-';
                width = -width;
            }
            unit = sspcacheUnit(format, ++at, is_wide);
        }
        for (; unit >= '0' && unit <= '9'; unit = sspcacheUnit(format, ++at, is_wide))
            width = width < 100000 ? width * 10 + (unit - '0') : width;
        if (unit == '.') {
            precision = 0;
            unit = sspcacheUnit(format, ++at, is_wide);
            if (unit == '*') {
                precision = va_arg(arguments, int);
                unit = sspcacheUnit(format, ++at, is_wide);
            }
            for (; unit >= '0' && unit <= '9'; unit = sspcacheUnit(format, ++at, is_wide))
                precision = precision < 100000 ? precision * 10 + (unit - '0') : precision;
        }
        for (; unit != 0 && unit < 128 && strchr("hlLwIztj", unit) != NULL; unit = sspcacheUnit(format, ++at, is_wide)) {
            if (unit == 'I') {
                int next = sspcacheUnit(format, at + 1, is_wide);
                int last = next == 0 ? 0 : sspcacheUnit(format, at + 2, is_wide);

                bits = next == '3' && last == '2' ? 32 : 64;
                at += (next == '3' && last == '2') || (next == '6' && last == '4') ? 2 : 0;
            } else if (unit == 'z' || unit == 't' || unit == 'j' || (unit == 'l' && size == 'l')) {
                bits = 64;
            } else if (unit == 'h') {
                bits = size == 'h' ? 8 : 16;
            }
            form = unit == 'h' ? 0 : unit == 'l' || unit == 'w' ? 1 : form;
            size = unit;
        }
        if (unit == 'S' || unit == 'C') {
            form = size == 'h' || size == 'l' || size == 'w' ? form : !is_wide;
            unit = unit == 'S' ? 's' : 'c';
        }
        if (unit == '%') {
            sspcachePut(&output, '%');
        } else if (unit == 's') {
            const void *text = va_arg(arguments, const void *);
            long length = 0;

            if (text == NULL) {
                form = 0;
                text = "(null)";
            }
            while ((precision < 0 || length < precision) && sspcacheUnit(text, (size_t)length, form) != 0)
                length++;
            sspcachePutText(&output, text, form, length, width, is_left);
        } else if (unit == 'c') {
            int given = va_arg(arguments, int);
            WCHAR wide = (WCHAR)given;
            char byte = (char)given;

            sspcachePutText(&output, form ? (const void *)&wide : (const void *)&byte, form, 1, width, is_left);
        } else if (unit != 0 && unit < 128 && strchr("diouxXpeEfFgGaA", unit) != NULL) {
            char *digits = number;
            int length;

            /* Wider than its place: a program formats no such number but by mistake. */
            width = width < 300 ? width : 300;
            precision = precision < 60 ? precision : 60;
            end += (size_t)snprintf(specification + end, sizeof specification - end, "%d", width);
            if (width == 0)
                end--;
            if (precision >= 0)
                end += (size_t)snprintf(specification + end, sizeof specification - end, ".%d", precision);
            if (strchr("eEfFgGaA", unit) != NULL) {
                snprintf(specification + end, sizeof specification - end, "%s%c", size == 'L' ? "L" : "", unit);
                length = size == 'L' ? snprintf(number, sizeof number, specification, va_arg(arguments, long double))
                                     : snprintf(number, sizeof number, specification, va_arg(arguments, double));
            } else if (unit == 'p') {
                length = snprintf(number, sizeof number, "%016llX", (unsigned long long)(ULONG_PTR)va_arg(arguments, void *));
            } else {
                int is_signed = unit == 'd' || unit == 'i';
                unsigned long long value =
                    bits == 64 ? va_arg(arguments, unsigned long long) : (unsigned long long)va_arg(arguments, unsigned int);

                if (is_signed)
                    value = (unsigned long long)(bits == 32   ? (long long)(int32_t)value
                                                 : bits == 16 ? (long long)(int16_t)value
                                                 : bits == 8  ? (long long)(int8_t)value
                                                              : (long long)value);
                else if (bits < 32)
                    value &= bits == 16 ? 0xFFFF : 0xFF;
                snprintf(specification + end, sizeof specification - end, "ll%c", unit);
                length = snprintf(number, sizeof number, specification, value);
            }
            if (length < 0 || (size_t)length >= sizeof number)
                return -1;
            while (*digits != 0)
                sspcachePut(&output, *digits++);
        } else {
            return -1;
        }
    }
    if (room > 0) {
        size_t last = output.length < room ? output.length : room - 1;

        if (is_wide)
            ((WCHAR *)buffer)[last] = 0;
        else
            ((char *)buffer)[last] = 0;
    }
    return (long)output.length;
}

/* Writes to a file what comes of a format, a wide text in UTF-8. Returns the number of units, and -1 when it fails. */
static inline int sspcachePrintTo(FILE *file, int is_wide, const void *format, va_list arguments)
{
    va_list again;
    void *buffer;
    long length;
    int written = -1;

    va_copy(again, arguments);
    length = sspcacheFormat(NULL, 0, is_wide, format, again);
    va_end(again);
    buffer = length < 0 ? NULL : malloc(((size_t)length + 1) * sizeof(WCHAR));
    if (buffer == NULL)
        return -1;
    sspcacheFormat(buffer, (size_t)length + 1, is_wide, format, arguments);
    if (!is_wide) {
        written = fwrite(buffer, 1, (size_t)length, file) == (size_t)length ? (int)length : -1;
    } else {
        int size = length == 0 ? 0 : WideCharToMultiByte(CP_UTF8, 0, (LPCWSTR)buffer, (int)length, NULL, 0, NULL, NULL);
        char *bytes = (char *)malloc((size_t)size + 1);

        if (bytes != NULL) {
            WideCharToMultiByte(CP_UTF8, 0, (LPCWSTR)buffer, (int)length, bytes, size, NULL, NULL);
            written = fwrite(bytes, 1, (size_t)size, file) == (size_t)size ? (int)length : -1;
            free(bytes);
        }
    }
    free(buffer);
    return written;
}

#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif

#endif
