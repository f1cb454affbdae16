/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: interfaces that are registered by GUID and by name. Run in a rig. */
#include "attachment.h"
#include "count.h"
#include "in_rig.h"
#include "scardmanage_auth.h"
#include "scardmanage_file.h"
#include "scardmanage_interface.h"
#include "scardmanage_verify.h"
#include "security_card.h"

#include <check.h>
#include <stdbool.h>
#include <string.h>

static const scardmanage_guid guid = {0x5D3A1C20u, 0x1234, 0x5678, {1, 2, 3, 4, 5, 6, 7, 8}};
static const scardmanage_guid other_guid = {0x5D3A1C20u, 0x1234, 0x5678, {1, 2, 3, 4, 5, 6, 7, 9}};

/* What the vendor's library has. */
static struct vendor {
    unsigned created, released;
    scardmanage_result result;
    bool creates_nothing;
} vendor;

static int object; /* of the interface */

static scardmanage_result create(scardmanage *manager, void *user_data, void *library, void **out)
{
    ck_assert_ptr_eq(manager, m);
    ck_assert_ptr_eq(library, &vendor);
    vendor.created++;
    if (!vendor.creates_nothing)
        *out = user_data ? user_data : &object;
    return vendor.result;
}

static void release(void *library)
{
    ck_assert_ptr_eq(library, &vendor);
    vendor.released++;
}

static scardmanage_interface provider_of(const scardmanage_guid *its_guid, const char *name)
{
    scardmanage_interface provider = SCARDMANAGE_INTERFACE_INIT;
    provider.guid = its_guid;
    provider.name = name;
    provider.create = create;
    provider.context = &vendor;
    provider.release = release;
    return provider;
}

static scardmanage_result register_as(const scardmanage_guid *its_guid, const char *name)
{
    scardmanage_interface provider = provider_of(its_guid, name);
    return scardmanage_register_interface(m, &provider);
}

static scardmanage_result create_as(const scardmanage_guid *its_guid, const char *name)
{
    void *out = &out;
    scardmanage_result result = scardmanage_create_interface(m, its_guid, name, NULL, &out);
    ck_assert_ptr_eq(out, result == SCARDMANAGE_S_OK ? &object : NULL);
    return result;
}

START_TEST(by_guid_and_by_name)
{
    int data;
    void *out;
    attach(BY_IFD);
    ck_assert_int_eq(register_as(&guid, "Vendor"), SCARDMANAGE_S_OK);
    ck_assert_int_eq(create_as(&guid, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(create_as(NULL, "Vendor"), SCARDMANAGE_S_OK);
    ck_assert_int_eq(create_as(&guid, "another"), SCARDMANAGE_S_OK); /* the name is not used */
    ck_assert_int_eq(create_as(NULL, "vendor"), SCARDMANAGE_E_ICC_INSTALLATION);
    ck_assert_int_eq(create_as(&other_guid, NULL), SCARDMANAGE_E_ICC_INSTALLATION);
    ck_assert_int_eq(create_as(&other_guid, "Vendor"), SCARDMANAGE_E_ICC_INSTALLATION);
    ck_assert_int_eq(scardmanage_create_interface(m, &guid, NULL, &data, &out), SCARDMANAGE_S_OK);
    ck_assert_ptr_eq(out, &data);
    ck_assert_uint_eq(vendor.created, 4);
    scardmanage_free(m);
    m = NULL;
    ck_assert_uint_eq(vendor.released, 1);
}
END_TEST

START_TEST(only_a_guid_or_only_a_name)
{
    attach(BY_IFD);
    ck_assert_int_eq(create_as(NULL, SCARDMANAGE_CRYPTO_PROVIDER), SCARDMANAGE_E_ICC_INSTALLATION);
    ck_assert_int_eq(register_as(NULL, SCARDMANAGE_CRYPTO_PROVIDER), SCARDMANAGE_S_OK);
    ck_assert_int_eq(register_as(&guid, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(register_as(&other_guid, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(create_as(NULL, "CryptoProvider"), SCARDMANAGE_S_OK);
    ck_assert_int_eq(create_as(&guid, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(create_as(&(scardmanage_guid){0}, NULL), SCARDMANAGE_E_ICC_INSTALLATION);
    ck_assert_int_eq(scardmanage_unregister_interface(m, NULL, "CryptoProvider"), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(vendor.released, 1);
    ck_assert_int_eq(create_as(NULL, "CryptoProvider"), SCARDMANAGE_E_ICC_INSTALLATION);
    ck_assert_int_eq(scardmanage_unregister_interface(m, NULL, "CryptoProvider"),
                     SCARDMANAGE_E_ICC_INSTALLATION);
    ck_assert_int_eq(create_as(&other_guid, NULL), SCARDMANAGE_S_OK);
    scardmanage_free(m);
    m = NULL;
    ck_assert_uint_eq(vendor.released, 3);
}
END_TEST

START_TEST(registered_already)
{
    attach(BY_IFD);
    ck_assert_int_eq(register_as(&guid, "Vendor"), SCARDMANAGE_S_OK);
    ck_assert_int_eq(register_as(&guid, "another"), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(register_as(&other_guid, "Vendor"), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(register_as(NULL, "Vendor"), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(create_as(NULL, "another"), SCARDMANAGE_E_ICC_INSTALLATION);
    ck_assert_uint_eq(vendor.released, 0);
    ck_assert_int_eq(scardmanage_unregister_interface(m, &guid, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(register_as(&other_guid, "Vendor"), SCARDMANAGE_S_OK);
}
END_TEST

START_TEST(what_the_function_returns)
{
    attach(BY_IFD);
    ck_assert_int_eq(register_as(&guid, NULL), SCARDMANAGE_S_OK);
    vendor.result = SCARDMANAGE_E_NO_ACCESS;
    ck_assert_int_eq(create_as(&guid, NULL), SCARDMANAGE_E_NO_ACCESS);
    vendor.result = 1;
    ck_assert_int_eq(create_as(&guid, NULL), SCARDMANAGE_E_FAIL);
    vendor.result = SCARDMANAGE_S_OK;
    vendor.creates_nothing = true;
    ck_assert_int_eq(create_as(&guid, NULL), SCARDMANAGE_E_FAIL);
}
END_TEST

START_TEST(interfaces_of_the_library)
{
    static const scardmanage_guid of_auth = SCARDMANAGE_GUID_AUTH, of_verify = SCARDMANAGE_GUID_VERIFY;
    static const scardmanage_guid of_files = SCARDMANAGE_GUID_FILE_ACCESS;
    scardmanage_verify_options wrong = {.size = 1};
    uint16_t word = 1;
    void *out;
    attach(BY_IFD);
    ck_assert_int_eq(scardmanage_create_interface(m, &of_auth, NULL, NULL, &out), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_auth_get_status_word(out, &word), SCARDMANAGE_S_OK);
    scardmanage_auth_free(out);
    ck_assert_int_eq(scardmanage_create_interface(m, &of_verify, NULL, NULL, &out), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_verify_get_status_word(out, &word), SCARDMANAGE_S_OK);
    scardmanage_verify_free(out);
    ck_assert_int_eq(scardmanage_create_interface(m, &of_files, NULL, NULL, &out), SCARDMANAGE_S_OK);
    scardmanage_file_access_free(out);
    ck_assert_int_eq(scardmanage_create_interface(m, &of_verify, NULL, &wrong, &out),
                     SCARDMANAGE_E_INVALIDARG);
    ck_assert_ptr_null(out);
    ck_assert_int_eq(register_as(&of_auth, NULL), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_unregister_interface(m, &of_auth, NULL), SCARDMANAGE_E_ICC_INSTALLATION);
}
END_TEST

START_TEST(not_attached)
{
    ck_assert_int_eq(register_as(&guid, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(create_as(&guid, NULL), SCARDMANAGE_E_INVALID_HANDLE);
    attach(BY_IFD);
    ck_assert_int_eq(create_as(&guid, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(create_as(&guid, NULL), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_uint_eq(vendor.created, 1);
}
END_TEST

START_TEST(wrong_arguments)
{
    char name[SCARDMANAGE_INTERFACE_NAME_MAX + 2];
    scardmanage_interface wrong[] = {provider_of(NULL, NULL),  provider_of(&guid, ""),
                                     provider_of(NULL, name),  provider_of(&guid, NULL),
                                     provider_of(&guid, NULL), provider_of(&guid, NULL)};
    void *out;
    wrong[3].create = NULL;
    wrong[4].size--;
    wrong[5].size = SIZE_MAX;
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    attach(BY_IFD);
    for (int i = 0; i < COUNT(wrong); i++)
        ck_assert_int_eq(scardmanage_register_interface(m, &wrong[i]), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(create_as(NULL, name), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(create_as(NULL, ""), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(create_as(NULL, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_create_interface(NULL, &guid, NULL, NULL, &out), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_create_interface(m, &guid, NULL, NULL, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_register_interface(NULL, &wrong[0]), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_register_interface(m, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_unregister_interface(NULL, &guid, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_unregister_interface(m, NULL, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_unregister_interface(m, NULL, ""), SCARDMANAGE_E_ICC_INSTALLATION);
    name[SCARDMANAGE_INTERFACE_NAME_MAX] = '\0';
    ck_assert_int_eq(register_as(NULL, name), SCARDMANAGE_S_OK);
    ck_assert_int_eq(create_as(NULL, name), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(vendor.released, 0);
}
END_TEST

START_TEST(each_allocation_fails)
{
    static const scardmanage_guid of_verify = SCARDMANAGE_GUID_VERIFY;
    void *out = &out;
    scardmanage_free(m);
    ck_assert_int_eq(scardmanage_create_with_allocator(&watching_allocator, &m), SCARDMANAGE_S_OK);
    attach(BY_IFD);
    fail_allocation(1);
    ck_assert_int_eq(register_as(&guid, NULL), SCARDMANAGE_E_OUTOFMEMORY);
    ck_assert_uint_eq(allocations(), 1);
    ck_assert_int_eq(create_as(&guid, NULL), SCARDMANAGE_E_ICC_INSTALLATION);
    ck_assert_int_eq(register_as(&guid, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(create_as(&guid, NULL), SCARDMANAGE_S_OK);
    fail_allocation(1);
    ck_assert_int_eq(scardmanage_create_interface(m, &of_verify, NULL, NULL, &out),
                     SCARDMANAGE_E_OUTOFMEMORY);
    ck_assert_uint_eq(allocations(), 1);
    ck_assert_ptr_null(out);
    ck_assert_uint_eq(vendor.released, 0);
    scardmanage_free(m);
    m = NULL;
    ck_assert_uint_eq(vendor.released, 1);
    ck_assert_int_eq(watched_blocks, 0);
}
END_TEST

/* As another thread may do. */
static scardmanage_result unregister_and_create(scardmanage *manager, void *user_data, void *library,
                                                void **out)
{
    ck_assert_int_eq(scardmanage_unregister_interface(manager, &guid, NULL), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(vendor.released, 0); /* this function still runs */
    return create(manager, user_data, library, out);
}

START_TEST(unregistered_while_an_object_is_created)
{
    scardmanage_interface provider = provider_of(&guid, NULL);
    provider.create = unregister_and_create;
    attach(BY_IFD);
    ck_assert_int_eq(scardmanage_register_interface(m, &provider), SCARDMANAGE_S_OK);
    ck_assert_int_eq(create_as(&guid, NULL), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(vendor.released, 1);
    ck_assert_int_eq(create_as(&guid, NULL), SCARDMANAGE_E_ICC_INSTALLATION);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: interfaces");
    TCase *tc = add_attachment_case(suite, "interfaces", WAITS_FOR_OTHERS);
    tcase_add_test(tc, by_guid_and_by_name);
    tcase_add_test(tc, only_a_guid_or_only_a_name);
    tcase_add_test(tc, registered_already);
    tcase_add_test(tc, what_the_function_returns);
    tcase_add_test(tc, interfaces_of_the_library);
    tcase_add_test(tc, not_attached);
    tcase_add_test(tc, wrong_arguments);
    tcase_add_test(tc, each_allocation_fails);
    tcase_add_test(tc, unregistered_while_an_object_is_created);
    return run_suite_in_rig(suite);
}
