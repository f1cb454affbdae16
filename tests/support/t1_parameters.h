/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameters that most tests of T=1 use. */
#ifndef TESTS_SUPPORT_T1_PARAMETERS_H
#define TESTS_SUPPORT_T1_PARAMETERS_H

#include "iso7816/t1.h"

#define CWT 100
#define BWT 1000

static inline struct t1_parameters parameters_for(enum t1_role role, uint8_t *buffer, size_t capacity)
{
    return (struct t1_parameters){.role = role,
                                  .edc = T1_LRC,
                                  .ifsc = T1_IFS_DEFAULT,
                                  .ifsd = T1_IFS_DEFAULT,
                                  .cwt = CWT,
                                  .bwt = BWT,
                                  .bgt = T1_BGT,
                                  .buffer = buffer,
                                  .capacity = capacity};
}

#endif
