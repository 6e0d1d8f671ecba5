// SPDX-License-Identifier: GPL-2.0-or-later

/** What pin_user_pages() adds to the count of a single page (include/linux/mm.h, since 5.7). A large folio counts pins apart. */
export const GUP_PIN_COUNTING_BIAS = 1024
