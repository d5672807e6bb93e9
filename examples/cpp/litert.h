// The few functions of LiteRT's C library that segment.cpp calls, declared by hand: the Python package ai-edge-litert
// carries the library without headers. They fit LiteRT 2.3. With a LiteRT that you build yourself, include its own
// litert/c/*.h instead of this file.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

// Objects are handles; a status is 0 if all is well.
using Handle = void*;
using Status = int;

struct RankedTensorType {
  int element_type;
  std::uint32_t rank : 7;
  std::uint32_t has_strides : 1;
  std::int32_t dimensions[8];
  std::uint32_t strides[8];
};

struct PerTensorQuantization {
  float scale;
  std::int64_t zero_point;
};

enum ElementType { kFloat32 = 1, kInt32 = 2, kUInt8 = 3, kInt16 = 7, kInt8 = 9 };
enum { kAcceleratorCpu = 1 };
enum { kLockRead = 0, kLockWrite = 1 };
enum { kQuantizedPerTensor = 1 };

Status LiteRtCreateEnvironment(int option_count, const void* options, Handle* environment);
Status LiteRtCreateModelFromFile(Handle environment, const char* path, Handle* model);
Status LiteRtCreateOptions(Handle* options);
Status LiteRtSetOptionsHardwareAccelerators(Handle options, int accelerators);
Status LiteRtCreateCompiledModel(Handle environment, Handle model, Handle options, Handle* compiled);

Status LiteRtGetModelSignature(Handle model, std::size_t index, Handle* signature);
Status LiteRtGetSignatureInputTensorByIndex(Handle signature, std::size_t index, Handle* tensor);
Status LiteRtGetSignatureOutputTensorByIndex(Handle signature, std::size_t index, Handle* tensor);
Status LiteRtGetRankedTensorType(Handle tensor, RankedTensorType* type);
Status LiteRtGetQuantizationTypeId(Handle tensor, int* kind);
Status LiteRtGetPerTensorQuantization(Handle tensor, PerTensorQuantization* quantization);

Status LiteRtGetCompiledModelInputBufferRequirements(Handle compiled, std::size_t signature, std::size_t index,
                                                     Handle* requirements);
Status LiteRtGetCompiledModelOutputBufferRequirements(Handle compiled, std::size_t signature, std::size_t index,
                                                      Handle* requirements);
Status LiteRtCreateManagedTensorBufferFromRequirements(Handle environment, const RankedTensorType* type,
                                                       Handle requirements, Handle* buffer);
Status LiteRtGetTensorBufferPackedSize(Handle buffer, std::size_t* bytes);
Status LiteRtLockTensorBuffer(Handle buffer, void** address, int mode);
Status LiteRtUnlockTensorBuffer(Handle buffer);
Status LiteRtRunCompiledModel(Handle compiled, std::size_t signature, std::size_t input_count, Handle* inputs,
                              std::size_t output_count, Handle* outputs);

void LiteRtDestroyEnvironment(Handle environment);
void LiteRtDestroyModel(Handle model);
void LiteRtDestroyOptions(Handle options);
void LiteRtDestroyCompiledModel(Handle compiled);
void LiteRtDestroyTensorBuffer(Handle buffer);
}
