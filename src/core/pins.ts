// SPDX-License-Identifier: GPL-2.0-or-later

/**
 * What pin_user_pages() adds to the count of a single page for each pin (include/linux/mm.h, since 5.7). Large folios count pins
 * separately.
 */
export const GUP_PIN_COUNTING_BIAS = 1024
