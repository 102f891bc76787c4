/* A stand-in for libnvidia-ml.so.1, after the declarations of nvml.h.

   What a call answers stands in the environment variable of its name: a code, then numbers for what
   it fills, in order. A call without one is not supported. NVML_SAMPLES, NVML_PROCESSES: how many
   entries there are, and the time of the first; each later one is a second younger.
   NVML_FIELDS: "ID:SCOPE:CODE:VALUE ..."; other fields are not supported. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned int u32;
typedef unsigned long long u64;
typedef struct device { u32 index; } *device;
enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };

typedef union { double d; u32 ui; u64 ull; } value;
typedef struct { u64 timeStamp; value sampleValue; } sample;
typedef struct { u32 gpu, memory; } rates;
typedef struct { u64 reference, violation; } times;
typedef struct { u32 pid; u64 timeStamp; u32 sm, mem, enc, dec; } process;
typedef struct { u32 fieldId, scopeId; long long timestamp, latencyUsec; u32 valueType, code; value v; } field;

static struct device devices[8];

static int told(const char *call, int many, u64 *numbers) {
    const char *text = getenv(call);
    char *at;
    if (!text) return NOT_SUPPORTED;
    int code = (int)strtol(text, &at, 10);
    for (int i = 0; i < many; i++) numbers[i] = strtoull(at, &at, 10);
    return code;
}

int nvmlInitWithFlags(u32 flags) {
    const char *text = getenv(__func__);
    return text ? atoi(text) : flags ? INVALID_ARGUMENT : SUCCESS;
}

int nvmlDeviceGetCount_v2(u32 *count) {
    u64 number = 1;
    int code = getenv(__func__) ? told(__func__, 1, &number) : SUCCESS;
    *count = (u32)number;
    return code;
}

int nvmlDeviceGetHandleByIndex_v2(u32 index, device *found) {
    const char *refused = getenv("NVML_REFUSED"); /* the index of a device that is not ours */
    if (refused && (u32)atoi(refused) == index) return 4;
    devices[index].index = index;
    *found = &devices[index];
    return SUCCESS;
}

#define NARROW(name) int name(device d, u32 *a) { \
    u64 n = 0; int code = told(#name, 1, &n); if (code == SUCCESS) *a = (u32)n; (void)d; return code; }
#define WIDE(name) int name(device d, u64 *a) { \
    u64 n = 0; int code = told(#name, 1, &n); if (code == SUCCESS) *a = n; (void)d; return code; }
#define NARROW_OF(name) int name(device d, u32 of, u32 *a) { \
    u64 n[16] = {0}; int code = told(#name, 16, n); if (code == SUCCESS) *a = (u32)n[of]; (void)d; return code; }
#define PAIR(name) int name(device d, u32 *a, u32 *b) { \
    u64 n[2] = {0}; int code = told(#name, 2, n); if (code == SUCCESS) { *a = (u32)n[0]; *b = (u32)n[1]; } (void)d; return code; }
#define TRIPLE(name) int name(device d, u64 all[3]) { \
    u64 n[3] = {0}; int code = told(#name, 3, n); if (code == SUCCESS) memcpy(all, n, sizeof n); (void)d; return code; }

WIDE(nvmlDeviceGetTotalEnergyConsumption)
WIDE(nvmlDeviceGetCurrentClocksEventReasons)
NARROW(nvmlDeviceGetPowerUsage)
NARROW(nvmlDeviceGetPerformanceState)
NARROW(nvmlDeviceGetFanSpeed)
NARROW(nvmlDeviceGetPcieReplayCounter)
NARROW(nvmlDeviceGetCurrPcieLinkGeneration)
NARROW(nvmlDeviceGetCurrPcieLinkWidth)
NARROW(nvmlDeviceGetAccountingMode)
NARROW(nvmlDeviceGetAccountingBufferSize)
NARROW_OF(nvmlDeviceGetTemperature)
NARROW_OF(nvmlDeviceGetClockInfo)
NARROW_OF(nvmlDeviceGetNvLinkState)
PAIR(nvmlDeviceGetEncoderUtilization)
TRIPLE(nvmlDeviceGetMemoryInfo)
TRIPLE(nvmlDeviceGetBAR1MemoryInfo)
/* nvmlDeviceGetApplicationsClock and nvmlDeviceGetDecoderUtilization are not there: an old library. */

int nvmlDeviceGetUtilizationRates(device d, rates *told_rates) {
    u64 n[2] = {0};
    int code = told(__func__, 2, n);
    if (code == SUCCESS) { told_rates->gpu = (u32)n[0]; told_rates->memory = (u32)n[1]; }
    (void)d;
    return code;
}

int nvmlDeviceGetViolationStatus(device d, u32 policy, times *told_times) {
    u64 n[12] = {0};
    int code = told(__func__, 12, n);
    if (code == SUCCESS) { told_times->reference = 99; told_times->violation = n[policy]; }
    (void)d;
    return code;
}

int nvmlDeviceGetTotalEccErrors(device d, u32 error, u32 counter, u64 *count) {
    u64 n[4] = {0};
    int code = told(__func__, 4, n);
    if (code == SUCCESS) *count = n[2 * error + counter];
    (void)d;
    return code;
}

int nvmlDeviceGetRemappedRows(device d, u32 *a, u32 *b, u32 *pending, u32 *failed) {
    u64 n[4] = {0};
    int code = told(__func__, 4, n);
    if (code == SUCCESS) { *a = (u32)n[0]; *b = (u32)n[1]; *pending = (u32)n[2]; *failed = (u32)n[3]; }
    (void)d;
    return code;
}

int nvmlDeviceGetNvLinkErrorCounter(device d, u32 link, u32 kind, u64 *count) {
    u64 n[5] = {0};
    int code = told(__func__, 5, n);
    if (link > 1) return INVALID_ARGUMENT;
    if (code == SUCCESS) *count = n[kind];
    (void)d;
    return code;
}

int nvmlDeviceGetFieldValues(device d, int many, field *fields) {
    for (int i = 0; i < many; i++) {
        const char *at = getenv("NVML_FIELDS");
        fields[i].code = NOT_SUPPORTED;
        for (; at && *at; at = strchr(at, ' '), at = at ? at + 1 : at) {
            u32 id, scope, code;
            u64 number;
            if (sscanf(at, "%u:%u:%u:%llu", &id, &scope, &code, &number) == 4
                && id == fields[i].fieldId && scope == fields[i].scopeId) {
                fields[i].code = code;
                fields[i].v.ull = number;
            }
        }
    }
    (void)d;
    return SUCCESS;
}

int nvmlDeviceGetSamples(device d, u32 kind, u64 seen, u32 *form, u32 *count, sample *samples) {
    u64 n[2] = {0};
    int code = told("NVML_SAMPLES", 2, n);
    if (code != SUCCESS || kind > 1) return code != SUCCESS ? code : NOT_FOUND;
    *form = 1;
    if (!samples) { *count = (u32)n[0] + 5; return SUCCESS; } /* the most that could be */
    if (*count < n[0]) return INSUFFICIENT_SIZE;
    *count = (u32)n[0];
    for (u32 i = 0; i < *count; i++) {
        samples[i].timeStamp = n[1] + 1000000ull * i;
        samples[i].sampleValue.ui = 0;
    }
    (void)d; (void)seen;
    return SUCCESS;
}

int nvmlDeviceGetProcessUtilization(device d, process *found, u32 *count, u64 seen) {
    u64 n[2] = {0};
    int code = told("NVML_PROCESSES", 2, n);
    if (code != SUCCESS) return code;
    if (!found || *count < n[0]) { *count = (u32)n[0]; return INSUFFICIENT_SIZE; }
    *count = (u32)n[0];
    for (u32 i = 0; i < *count; i++) {
        memset(&found[i], 0, sizeof found[i]);
        found[i].pid = 100 + i;
        found[i].timeStamp = n[1] + 1000000ull * i;
    }
    (void)d; (void)seen;
    return SUCCESS;
}
