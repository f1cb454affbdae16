/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libscardmanage: interfaces of others, by GUID or by name.
 *
 * A vendor library brings an interface for its cards: it registers a function that creates objects of the
 * interface. The application asks for such an object by the GUID or the name of the interface, and need not know
 * who has registered it. What kind of object that is, and how it is freed, is for the vendor to say.
 *
 * An interface is registered with one scardmanage, not with the process, because several parts of a program may
 * use this library. Any thread may call any function.
 */
#ifndef SCARDMANAGE_INTERFACE_H
#define SCARDMANAGE_INTERFACE_H

#include "scardmanage.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A GUID, with the memory layout of GUID on Windows. */
typedef struct scardmanage_guid {
    uint32_t data1;
    uint16_t data2;
    uint16_t data3;
    uint8_t data4[8];
} scardmanage_guid;

/* The GUIDs of ISCardAuth, ISCardVerify and ISCardFileAccess. scardmanage_create_interface() creates a
 * scardmanage_auth, scardmanage_verify or scardmanage_file_access; user_data points to its options, or is null.
 * Nobody has to register them, and nobody can. */
#define SCARDMANAGE_GUID_AUTH                                                                                \
    {                                                                                                        \
        0x7B063D61u, 0x6E40, 0x11D0,                                                                         \
        {                                                                                                    \
            0xB8, 0x58, 0x00, 0xC0, 0x4F, 0xD4, 0x24, 0xB9                                                   \
        }                                                                                                    \
    }
#define SCARDMANAGE_GUID_VERIFY                                                                              \
    {                                                                                                        \
        0x4029DD85u, 0x5902, 0x11D0,                                                                         \
        {                                                                                                    \
            0xB8, 0x4C, 0x00, 0xC0, 0x4F, 0xD4, 0x24, 0xB9                                                   \
        }                                                                                                    \
    }
#define SCARDMANAGE_GUID_FILE_ACCESS                                                                         \
    {                                                                                                        \
        0x4029DD8Au, 0x5902, 0x11D0,                                                                         \
        {                                                                                                    \
            0xB8, 0x4C, 0x00, 0xC0, 0x4F, 0xD4, 0x24, 0xB9                                                   \
        }                                                                                                    \
    }

/* The name that ISCardManage reserves for an interface to cryptographic functions. This library has none; a
 * vendor can register one. */
#define SCARDMANAGE_CRYPTO_PROVIDER "CryptoProvider"

/* The maximum length of a name in bytes. */
#define SCARDMANAGE_INTERFACE_NAME_MAX 255

/* An interface that can be created. Set size. See scardmanage_options for versions. */
typedef struct scardmanage_interface {
    size_t size;                  /* sizeof(scardmanage_interface) */
    const scardmanage_guid *guid; /* copied; null if the interface has only a name */
    const char *name;             /* copied; null if the interface has only a GUID */
    /*
     * Creates an object of the interface. It runs in the thread that calls scardmanage_create_interface(), may
     * run in several threads at once, and may call all functions on m. To use the card, it and the object call
     * scardmanage_run(). It may use m until scardmanage_free().
     *
     *   user_data  of scardmanage_create_interface()
     *   context    of this struct
     *   out        receives the object
     *
     * If it does not return S_OK, or sets no object, scardmanage_create_interface() fails with that code, or
     * with E_FAIL if the code is no failure.
     */
    scardmanage_result (*create)(scardmanage *m, void *user_data, void *context, void **out);
    void *context;
    /* Called once when the interface is no longer registered and create no longer runs, in
     * scardmanage_unregister_interface(), scardmanage_free(), or the last scardmanage_create_interface();
     * may be null. It must not call functions on the scardmanage. */
    void (*release)(void *context);
} scardmanage_interface;

#define SCARDMANAGE_INTERFACE_INIT                                                                           \
    {                                                                                                        \
        sizeof(scardmanage_interface), 0, 0, 0, 0, 0                                                         \
    }

/*
 * Registers an interface with m, until scardmanage_unregister_interface() or scardmanage_free(). m need not be
 * attached.
 *
 *   S_OK           success
 *   E_POINTER      m or provider is null
 *   E_INVALIDARG   the size of provider is too small, or above 4096; it has bytes set that this version does not
 *                  know; it has neither a GUID nor a name; the name is empty or too long; create is null; or
 *                  the GUID or the name is registered already
 *   E_OUTOFMEMORY  out of memory
 *
 * After a failure, release is not called.
 */
SCARDMANAGE_API scardmanage_result scardmanage_register_interface(scardmanage *m,
                                                                  const scardmanage_interface *provider);

/*
 * Makes m forget an interface, for example before the library that has registered it is unloaded. Objects that
 * were created stay.
 *
 *   guid, name  as for scardmanage_create_interface()
 *
 *   S_OK                success
 *   E_POINTER           m is null, or both guid and name are
 *   E_ICC_INSTALLATION  no such interface is registered
 */
SCARDMANAGE_API scardmanage_result scardmanage_unregister_interface(scardmanage *m,
                                                                    const scardmanage_guid *guid,
                                                                    const char *name);

/*
 * Creates an object of an interface.
 *
 *   guid       the GUID of the interface; null to find it by its name
 *   name       its name, in which case matters; not used if guid is not null
 *   user_data  passed to the function that creates the object; may be null if that function allows it
 *   out        receives the object, or null after a failure
 *
 *   S_OK                success
 *   E_POINTER           m or out is null, or both guid and name are
 *   E_INVALIDARG        the name is empty or too long
 *   E_INVALID_HANDLE    m is not attached
 *   E_ICC_INSTALLATION  no such interface is registered
 *   E_OUTOFMEMORY       out of memory
 *   others              what the function has returned
 *
 * Source: ISCardManage::CreateInterface.
 */
SCARDMANAGE_API scardmanage_result scardmanage_create_interface(scardmanage *m, const scardmanage_guid *guid,
                                                                const char *name, void *user_data,
                                                                void **out);

#ifdef __cplusplus
}
#endif

#endif
