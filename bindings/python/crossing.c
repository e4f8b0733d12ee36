/* cmemcache._crossing: the packed calls of the native library, made from C.
 *
 * ctypes would do, for a microsecond more per call. Among threads that share the interpreter's lock that microsecond decides
 * whether they wait for each other, and halves what 32 of them get done: see docs/adr/0009. Nothing here knows memcached: a
 * request goes to the library as it is, and a reply, whose layout is described in core/src/ffi/packed.rs, becomes objects.
 *
 * No frame of Rust is on the stack where the lock is taken again, because a thread that does so while the interpreter ends is
 * ended there, which a frame of Rust would turn into an abort of the process.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* What every generated function tells of a panic. */
typedef struct {
    uint64_t capacity;
    uint64_t length;
    uint8_t *data;
} Buffer;

typedef struct {
    int8_t code;
    Buffer message;
} Status;

typedef uint64_t (*CallFunction)(uint64_t client, uint64_t request, uint64_t request_length, uint64_t value,
                                 uint64_t value_length, uint64_t reply, uint64_t reply_capacity, Status *status);
typedef void (*ReleaseFunction)(uint64_t token, Status *status);
typedef void (*FreeFunction)(Buffer buffer, Status *status);

/* The same in every interpreter of the process: there is one library. */
static CallFunction packed_call;
static ReleaseFunction packed_release;
static FreeFunction buffer_free;

typedef struct {
    /* Makes the exception of an error: (status, text, length of the server's name, phase, outcome unknown). */
    PyObject *make_error;
} State;

/* The layout of a reply. */
enum { HEAD = 16, LAST_OUTCOME = 3, KEPT = 1, OUTCOME_UNKNOWN = 2, NO_KIND = 255 };

/* A larger payload of one key is kept by the library, and copied from there. */
enum { REPLY_CAPACITY = 16 * 1024, BATCH_CAPACITY = 64 * 1024, REQUEST_ON_STACK = 512 };

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t read_u64(const uint8_t *at)
{
    return (uint64_t)read_u32(at) | (uint64_t)read_u32(at + 4) << 32;
}

/* A reply, and its payload wherever that is. */
typedef struct {
    const uint8_t *head;
    const uint8_t *payload;
    uint64_t length;
    /* Of a payload that the library keeps; 0 for none. */
    uint64_t token;
} Reply;

static void raise_error(PyObject *module, unsigned status, const void *text, uint64_t length, unsigned server_length,
                        unsigned phase, int outcome_unknown)
{
    State *state = PyModule_GetState(module);
    if (state->make_error == NULL) {
        PyErr_SetString(PyExc_SystemError, "cmemcache._crossing is not bound to the library");
        return;
    }
    PyObject *error =
        PyObject_CallFunction(state->make_error, "Iy#IIO", status, length == 0 ? "" : (const char *)text, (Py_ssize_t)length,
                              server_length, phase, outcome_unknown ? Py_True : Py_False);
    if (error != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
}

static void raise_internal(PyObject *module, const char *text)
{
    raise_error(module, NO_KIND, text, strlen(text), 0, 0, 0);
}

/* Runs a packed call without the interpreter's lock and finds its reply in the memory given. Raises and returns -1 where
 * there is none. */
static int exchange(PyObject *module, uint64_t client, const char *request, Py_ssize_t request_length, const char *value,
                    Py_ssize_t value_length, uint8_t *memory, size_t capacity, Reply *reply)
{
    Status status = {0, {0, 0, NULL}};
    uint64_t length;
    if (packed_call == NULL) {
        raise_internal(module, "the library is not bound");
        return -1;
    }
    Py_BEGIN_ALLOW_THREADS
    length = packed_call(client, (uintptr_t)request, (uint64_t)request_length, (uintptr_t)value, (uint64_t)value_length,
                         (uintptr_t)memory, capacity, &status);
    Py_END_ALLOW_THREADS
    if (status.code != 0) {
        raise_error(module, NO_KIND, status.message.data, status.message.length, 0, 0, 0);
        Status ignored = {0, {0, 0, NULL}};
        buffer_free(status.message, &ignored);
        return -1;
    }
    int kept = length >= HEAD && (memory[1] & KEPT);
    if (length < HEAD || length > capacity || (kept && length < HEAD + 24)) {
        raise_internal(module, "the library wrote no whole reply");
        return -1;
    }
    reply->head = memory;
    if (kept) {
        reply->payload = (const uint8_t *)(uintptr_t)read_u64(memory + HEAD);
        reply->length = read_u64(memory + HEAD + 8);
        reply->token = read_u64(memory + HEAD + 16);
    } else {
        reply->payload = memory + HEAD;
        reply->length = length - HEAD;
        reply->token = 0;
    }
    return 0;
}

static void release(const Reply *reply)
{
    Status ignored = {0, {0, 0, NULL}};
    if (reply->token != 0) {
        packed_release(reply->token, &ignored);
    }
}

/* Raises the error that a reply tells, if it tells one. */
static int raise_told(PyObject *module, const Reply *reply)
{
    const uint8_t *head = reply->head;
    if (head[0] <= LAST_OUTCOME) {
        return 0;
    }
    raise_error(module, head[0], reply->payload, reply->length, read_u32(head + 4), head[2] | (unsigned)head[3] << 8,
                head[1] & OUTCOME_UNKNOWN);
    return 1;
}

/* The bytes of an argument that may be None. */
static int optional_bytes(PyObject *argument, char **bytes, Py_ssize_t *length)
{
    if (argument == Py_None) {
        *bytes = NULL;
        *length = 0;
        return 0;
    }
    return PyBytes_AsStringAndSize(argument, bytes, length);
}

static int check_count(const char *function, Py_ssize_t count, Py_ssize_t wanted)
{
    if (count == wanted) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, not %zd", function, wanted, count);
    return -1;
}

/* Runs an operation on one key with (client, head, key, value), the request being the head and behind it the key. Raises and
 * returns -1 where there is no outcome; otherwise the reply stands in `memory`, or has to be released. */
static int call_one(PyObject *module, PyObject *const *arguments, uint8_t *memory, Reply *reply)
{
    char small[REQUEST_ON_STACK];
    char *head, *value;
    const char *key;
    Py_ssize_t head_length, key_length, value_length;
    uint64_t client = PyLong_AsUnsignedLongLong(arguments[0]);
    if (client == (uint64_t)-1 && PyErr_Occurred()) {
        return -1;
    }
    if (PyBytes_AsStringAndSize(arguments[1], &head, &head_length) < 0 ||
        optional_bytes(arguments[3], &value, &value_length) < 0) {
        return -1;
    }
    if (PyUnicode_Check(arguments[2])) {
        key = PyUnicode_AsUTF8AndSize(arguments[2], &key_length);
        if (key == NULL) {
            return -1;
        }
    } else if (PyBytes_AsStringAndSize(arguments[2], (char **)&key, &key_length) < 0) {
        return -1;
    }
    char *request = small;
    if (key_length > REQUEST_ON_STACK - head_length) {
        request = key_length > PY_SSIZE_T_MAX - head_length ? NULL : PyMem_Malloc((size_t)(head_length + key_length));
        if (request == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    memcpy(request, head, (size_t)head_length);
    memcpy(request + head_length, key, (size_t)key_length);
    Py_ssize_t length = head_length + key_length;
    int outcome = exchange(module, client, request, length, value, value_length, memory, REPLY_CAPACITY, reply);
    if (request != small) {
        PyMem_Free(request);
    }
    if (outcome == 0 && raise_told(module, reply)) {
        release(reply);
        return -1;
    }
    return outcome;
}

PyDoc_STRVAR(read_doc, "read(client, head, key, value, /)\n--\n\n"
                       "Runs one operation that reads, whose request is `head` and behind it the key, str or bytes;\n"
                       "`value` is None. Returns (payload, flags, cas) or None on a miss, or raises what the reply tells.");

static PyObject *read_item(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    uint8_t memory[REPLY_CAPACITY];
    Reply reply;
    if (check_count("read", count, 4) < 0 || call_one(module, arguments, memory, &reply) < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    if (reply.head[0] != 0) {
        Py_INCREF(Py_None);
        result = Py_None;
    } else {
        result = Py_BuildValue("(y#IK)", (const char *)reply.payload, (Py_ssize_t)reply.length,
                               (unsigned)read_u32(reply.head + 4), (unsigned long long)read_u64(reply.head + 8));
    }
    release(&reply);
    return result;
}

PyDoc_STRVAR(call_doc, "call(client, head, key, value, /)\n--\n\n"
                       "Runs one operation that does not read, as `read`; `value` is bytes or None. Returns (status, number).");

static PyObject *call(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    uint8_t memory[REPLY_CAPACITY];
    Reply reply;
    if (check_count("call", count, 4) < 0 || call_one(module, arguments, memory, &reply) < 0) {
        return NULL;
    }
    PyObject *result = Py_BuildValue("(IK)", (unsigned)reply.head[0], (unsigned long long)read_u64(reply.head + 8));
    release(&reply);
    return result;
}

/* The columns of a batch's reply: statuses, flags, cas tokens where they are asked for, and the list of values. */
static PyObject *columns(PyObject *module, const Reply *reply, uint64_t rows, int with_cas)
{
    uint64_t width = with_cas ? 17 : 9;
    if (read_u32(reply->head + 4) != rows || rows > reply->length / width) {
        raise_internal(module, "the library's reply has not a row for each key");
        return NULL;
    }
    const uint8_t *flags = reply->payload + rows, *cas = flags + 4 * rows;
    const uint8_t *lengths = with_cas ? cas + 8 * rows : cas, *values = lengths + 4 * rows;
    uint64_t left = reply->length - width * rows;
    PyObject *list = PyList_New((Py_ssize_t)rows);
    if (list == NULL) {
        return NULL;
    }
    for (uint64_t row = 0; row < rows; row++) {
        uint32_t length = read_u32(lengths + 4 * row);
        PyObject *value = NULL;
        if (length <= left) {
            value = PyBytes_FromStringAndSize((const char *)values, length);
        } else {
            raise_internal(module, "the values in the library's reply end early");
        }
        if (value == NULL) {
            Py_DECREF(list);
            return NULL;
        }
        /* Takes the reference over. */
        PyList_SetItem(list, (Py_ssize_t)row, value);
        values += length;
        left -= length;
    }
    if (left != 0) {
        Py_DECREF(list);
        raise_internal(module, "the values in the library's reply end late");
        return NULL;
    }
    return Py_BuildValue("(y#y#y#N)", (const char *)reply->payload, (Py_ssize_t)rows, (const char *)flags,
                         (Py_ssize_t)(4 * rows), (const char *)cas, (Py_ssize_t)(with_cas ? 8 * rows : 0), list);
}

PyDoc_STRVAR(call_batch_doc,
             "call_batch(client, request, values, count, with_cas, /)\n--\n\n"
             "Runs one operation on `count` keys; `values` is bytes or None. Returns (statuses, flags, cas, values):\n"
             "columns of 1, 4 and 8 bytes per key, the third empty without `with_cas`, and a list of bytes. Raises what\n"
             "a reply tells that failed as a whole.");

static PyObject *call_batch(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    char *request, *values;
    Py_ssize_t request_length, values_length;
    if (check_count("call_batch", count, 5) < 0) {
        return NULL;
    }
    uint64_t client = PyLong_AsUnsignedLongLong(arguments[0]);
    uint64_t rows = PyErr_Occurred() ? 0 : PyLong_AsUnsignedLongLong(arguments[3]);
    if (PyErr_Occurred() || PyBytes_AsStringAndSize(arguments[1], &request, &request_length) < 0 ||
        optional_bytes(arguments[2], &values, &values_length) < 0) {
        return NULL;
    }
    int with_cas = PyObject_IsTrue(arguments[4]);
    uint8_t *memory = with_cas < 0 ? NULL : PyMem_Malloc(BATCH_CAPACITY);
    if (memory == NULL) {
        return with_cas < 0 ? NULL : PyErr_NoMemory();
    }
    Reply reply;
    PyObject *result = NULL;
    if (exchange(module, client, request, request_length, values, values_length, memory, BATCH_CAPACITY, &reply) == 0) {
        if (!raise_told(module, &reply)) {
            result = columns(module, &reply, rows, with_cas);
        }
        release(&reply);
    }
    PyMem_Free(memory);
    return result;
}

PyDoc_STRVAR(bind_doc, "bind(call, release, free, make_error, /)\n--\n\n"
                       "Gives the addresses of the library's `packed_call`, `packed_release` and `rustbuffer_free`, and what makes\n"
                       "an exception of (status, text, length of the server's name, phase, outcome unknown).");

static PyObject *bind(PyObject *module, PyObject *arguments)
{
    unsigned long long call_address, release_address, free_address;
    PyObject *make_error;
    if (!PyArg_ParseTuple(arguments, "KKKO:bind", &call_address, &release_address, &free_address, &make_error)) {
        return NULL;
    }
    packed_call = (CallFunction)(uintptr_t)call_address;
    packed_release = (ReleaseFunction)(uintptr_t)release_address;
    buffer_free = (FreeFunction)(uintptr_t)free_address;
    State *state = PyModule_GetState(module);
    PyObject *former = state->make_error;
    Py_INCREF(make_error);
    state->make_error = make_error;
    Py_XDECREF(former);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"bind", bind, METH_VARARGS, bind_doc},
    {"read", (PyCFunction)(void (*)(void))read_item, METH_FASTCALL, read_doc},
    {"call", (PyCFunction)(void (*)(void))call, METH_FASTCALL, call_doc},
    {"call_batch", (PyCFunction)(void (*)(void))call_batch, METH_FASTCALL, call_batch_doc},
    {NULL, NULL, 0, NULL},
};

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->make_error);
    return 0;
}

static int clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    PyObject *former = state->make_error;
    state->make_error = NULL;
    Py_XDECREF(former);
    return 0;
}

static struct PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "cmemcache._crossing",
    "The packed calls of the native library; described in docs/adr/0009.",
    sizeof(State),
    methods,
    slots,
    traverse,
    clear,
    NULL,
};

PyMODINIT_FUNC PyInit__crossing(void)
{
    return PyModuleDef_Init(&definition);
}
