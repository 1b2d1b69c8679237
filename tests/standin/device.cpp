// A stand-in for an accelerator: its memory is the host's and its kernels are the CPU's, but torch takes it for another
// device (PrivateUse1). What differs from a CPU is what differs on CUDA: tensors and generators of two devices do not
// mix, the host reaches its memory by copies only, autocast follows CUDA's lists, and memory may run out. Each place
// where the host of a CUDA device would wait for it is told.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/autocast_mode.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

namespace {
constexpr auto kStandIn = c10::DeviceType::PrivateUse1;
const c10::Device here(kStandIn, 0);
const c10::Device host(c10::DeviceType::CPU);

bool is_here(const at::Tensor& tensor) { return tensor.device().type() == kStandIn; }

// ---- Waits ----------------------------------------------------------------------------------------------------------
using Listener = void (*)(const char* what);
std::atomic<Listener> listener{nullptr};

void tell(const std::string& what) {
  if (Listener told = listener.load()) told(what.c_str());
}

// ---- Memory ---------------------------------------------------------------------------------------------------------
std::atomic<int64_t> held{0}, peak{0}, limit{INT64_MAX};
std::atomic<bool> gone{false};  // then all that is asked of the device fails

// Keeps memory of the host alive that a pointer says to lie elsewhere.
struct Kept {
  c10::Storage memory;
  int64_t counted;

  static void let_go(void* context) {
    auto* kept = static_cast<Kept*>(context);
    held -= kept->counted;
    delete kept;
  }
};

// The pointer to some memory of the host that says it lies on `device`; on the stand-in it counts.
c10::DataPtr pointer(const c10::Storage& memory, c10::Device device) {
  const int64_t counted = device == here ? int64_t(memory.nbytes()) : 0;
  if (gone) throw c10::AcceleratorError({__func__, __FILE__, __LINE__}, 999, "CUDA error: unknown error\nSearch for it");
  TORCH_CHECK_WITH(
      OutOfMemoryError, held + counted <= limit, "The stand-in is out of memory. Tried to allocate ", counted,
      " bytes; it holds ", held.load(), " and may hold ", limit.load(), ".");
  const int64_t now = (held += counted);
  int64_t most = peak;
  while (now > most && !peak.compare_exchange_weak(most, now)) {
  }
  return {memory.mutable_data(), new Kept{memory, counted}, &Kept::let_go, device};
}

struct Allocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    return pointer(c10::Storage(c10::Storage::use_byte_size_t(), bytes, c10::GetAllocator(c10::kCPU), false), here);
  }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};
Allocator allocator;

// The same numbers in the same memory, as a tensor of another device.
at::Tensor as_lying(const at::Tensor& tensor, c10::Device device) {
  auto* memory_of = device == here ? static_cast<c10::Allocator*>(&allocator) : c10::GetAllocator(c10::kCPU);
  auto storage = c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), tensor.storage().nbytes(), pointer(tensor.storage(), device), memory_of,
      /*resizable=*/true);
  const auto key = device == here ? c10::DispatchKey::PrivateUse1 : c10::DispatchKey::CPU;
  auto made = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(std::move(storage)), c10::DispatchKeySet(key), tensor.dtype());
  auto* inside = made.unsafeGetTensorImpl();
  inside->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
  // A number of Python's, which takes the type of what it meets.
  if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) inside->set_wrapped_number(true);
  return made;
}
at::Tensor on_host(const at::Tensor& tensor) { return is_here(tensor) ? as_lying(tensor, host) : tensor; }

at::Tensor empty(
    at::IntArrayRef sizes, std::optional<at::ScalarType> dtype, std::optional<at::Layout>, std::optional<at::Device>,
    std::optional<bool>, std::optional<at::MemoryFormat> format) {
  const c10::DispatchKeySet keys(c10::DispatchKey::PrivateUse1);
  return at::detail::empty_generic(sizes, &allocator, keys, c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(
    at::IntArrayRef sizes, at::IntArrayRef strides, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
    std::optional<at::Device>, std::optional<bool>) {
  const c10::DispatchKeySet keys(c10::DispatchKey::PrivateUse1);
  return at::detail::empty_strided_generic(sizes, strides, &allocator, keys, c10::dtype_or_default(dtype));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  if (!is_here(from) && !non_blocking) tell("copy to the device");
  if (!is_here(to)) tell("copy to the host");
  on_host(to).copy_(on_host(from));
  return to;
}

at::Scalar one_number(const at::Tensor& tensor) {
  tell("one number to the host");
  return on_host(tensor).item();
}

// ---- Random numbers: a CPU's generator, which poses as one of the CPU while an operator of the CPU draws from it ------
struct Generator final : at::CPUGeneratorImpl {
  Generator() { pose(here); }

  void pose(c10::Device device) {
    device_ = device;
    key_set_ = c10::DispatchKeySet(device == here ? c10::DispatchKey::PrivateUse1 : c10::DispatchKey::CPU);
  }
};

const at::Generator& default_generator() {
  static const auto generator = at::make_generator<Generator>();
  return generator;
}

class Posing {
 public:
  explicit Posing(const at::Generator& generator) : generator_(generator) { pose(host); }
  Posing(const Posing&) = delete;
  Posing& operator=(const Posing&) = delete;
  ~Posing() { pose(here); }

 private:
  void pose(c10::Device device) { static_cast<Generator*>(generator_.unsafeGetGeneratorImpl())->pose(device); }
  at::Generator generator_;
};

// ---- What torch asks of a device --------------------------------------------------------------------------------------
struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  at::Device getDeviceFromPtr(void*) const override { return here; }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override { return default_generator(); }
  at::Generator getNewGenerator(c10::DeviceIndex) const override { return at::make_generator<Generator>(); }
};

struct Guard final : c10::impl::NoOpDeviceGuardImpl<kStandIn> {
  c10::Device getDevice() const override { return here; }
  c10::Device exchangeDevice(c10::Device) const override { return here; }
  c10::Stream getStream(c10::Device) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, here); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, here); }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)
REGISTER_ALLOCATOR(kStandIn, &allocator)

// ---- Operators --------------------------------------------------------------------------------------------------------
// A CUDA device takes indices from the host; they are copied.
const std::unordered_set<std::string> kIndexing = {
    "aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"};
// Torch brings its indices to the device, and looks for what a mask holds, before it asks the device.
const std::string kTold = "aten::index";
// The size of their result, or whether they succeeded, is known when the device is done.
const std::unordered_set<std::string> kWaiting = {
    "aten::nonzero", "aten::masked_select", "aten::_unique2", "aten::unique_dim", "aten::unique_consecutive",
    "aten::equal", "aten::bincount", "aten::histc", "aten::repeat_interleave", "aten::_linalg_eigh",
    "aten::_linalg_svd", "aten::linalg_cholesky_ex"};

// One operator, calculated by the CPU.
class OnHost {
 public:
  explicit OnHost(const c10::OperatorHandle& op) : op_(op), name_(op.schema().name()) {}

  void call(torch::jit::Stack* stack) {
    const auto& arguments = op_.schema().arguments();
    if (kWaiting.count(name_)) tell(name_);
    for (size_t i = 0; i < arguments.size(); ++i) {
      auto& value = (*stack)[stack->size() - arguments.size() + i];
      value = lent(value, arguments[i]);
    }
    op_.callBoxed(stack);
    for (const Loan& loan : loans_) take_back(loan);
    const size_t results = op_.schema().returns().size();
    for (size_t i = 0; i < results; ++i) {
      auto& value = (*stack)[stack->size() - results + i];
      if (value.isTensor()) {
        value = returned(value.toTensor());
      } else if (value.isTensorList()) {
        c10::List<at::Tensor> list;
        for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(returned(tensor));
        value = list;
      }
    }
  }

 private:
  struct Loan {
    at::Tensor ours, theirs;  // on the stand-in, and the same memory on the host
  };

  c10::IValue lent(const c10::IValue& value, const c10::Argument& argument) {
    if (value.isTensor()) return lent(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(lent(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {  // indices
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorList()) {
        const bool masks = tensor.has_value() && tensor->defined() && tensor->scalar_type() == at::kBool;
        if (masks && name_ != kTold) tell(name_ + " by a mask");
        list.push_back(tensor.has_value() ? std::optional(lent(*tensor)) : std::nullopt);
      }
      return list;
    }
    if (value.isGenerator()) return lent(value.toGenerator());
    if (value.isNone() && argument.type()->isSubtypeOf(*c10::OptionalType::create(c10::GeneratorType::get())))
      return lent(default_generator());
    if (value.isDevice() && value.toDevice().type() == kStandIn) return host;
    return value;
  }

  at::Tensor lent(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (!is_here(tensor)) {
      TORCH_CHECK(
          tensor.dim() == 0 || kIndexing.count(name_),
          "Expected all tensors to be on the same device, but found at least two devices, ", here, " and ",
          tensor.device(), "! (argument of shape ", tensor.sizes(), " of ", name_, ")");
      if (tensor.dim() && name_ != kTold) tell(name_ + " by indices of the host");
      return tensor;
    }
    for (const Loan& loan : loans_)
      if (loan.ours.is_same(tensor)) return loan.theirs;
    loans_.push_back({tensor, as_lying(tensor, host)});
    return loans_.back().theirs;
  }

  at::Generator lent(const at::Generator& generator) {
    TORCH_CHECK(
        generator.device() == here, "Expected a generator of device ", here, " but found one of ", generator.device());
    posing_.emplace(generator);
    return generator;
  }

  // An operator may have given what it wrote to other memory or another shape.
  static void take_back(const Loan& loan) {
    const auto& memory = loan.theirs.storage();
    if (memory.data() != loan.ours.storage().data()) {
      loan.ours.storage().set_data_ptr_noswap(pointer(memory, here));
      loan.ours.storage().set_nbytes(memory.nbytes());
    }
    if (loan.theirs.sizes() != loan.ours.sizes() || loan.theirs.strides() != loan.ours.strides())
      loan.ours.unsafeGetTensorImpl()->set_sizes_and_strides(
          loan.theirs.sizes(), loan.theirs.strides(), loan.theirs.storage_offset());
  }

  at::Tensor returned(const at::Tensor& tensor) const {
    if (!tensor.defined()) return tensor;
    for (const Loan& loan : loans_)
      if (loan.theirs.is_same(tensor)) return loan.ours;
    return as_lying(tensor, here);
  }

  const c10::OperatorHandle& op_;
  const std::string& name_;
  std::vector<Loan> loans_;
  std::optional<Posing> posing_;
};

void on_the_host(const c10::OperatorHandle& op, torch::jit::Stack* stack) { OnHost(op).call(stack); }

// Attention by its formula: the fused kernels are CUDA's own.
int64_t attention_by_formula(
    const at::Tensor&, const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, double, bool,
    std::optional<double>, bool) {
  return 0;
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_the_host>()); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("_copy_from", &copy_from);
  m.impl("_local_scalar_dense", &one_number);
  m.impl("_fused_sdp_choice", &attention_by_formula);
  // What changes shapes and no numbers is the same for every device.
  m.impl("resize_", TORCH_FN(at::native::resize_));
  m.impl("set_.source_Storage", static_cast<at::Tensor& (*)(at::Tensor&, at::Storage)>(&at::native::set_));
  m.impl("set_.source_Storage_storage_offset", &at::native::set_storage_cpu_);
  m.impl("as_strided", &at::native::as_strided_tensorimpl);
  m.impl("view", TORCH_FN(at::native::view));
  m.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
  m.impl("unfold", TORCH_FN(at::native::unfold));
  // Kernels of their own on CUDA; on a device that torch does not know, formulas or errors.
  for (const char* name : {"convolution", "convolution_backward", "native_group_norm", "native_layer_norm"})
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&on_the_host>());
}

// For Python.
TORCH_LIBRARY(standin, m) {
  m.def("held() -> int", [] { return held.load(); });
  m.def("peak() -> int", [] { return peak.load(); });
  m.def("reset_peak() -> ()", [] { peak = held.load(); });
  m.def("limit(int bytes) -> ()", [](int64_t bytes) { limit = bytes; });
  m.def("vanish(bool is_gone) -> ()", [](bool is_gone) { gone = is_gone; });
  m.def("seed(int seed) -> ()", [](int64_t seed) { at::Generator(default_generator()).set_current_seed(uint64_t(seed)); });
  m.def("random_state() -> Tensor", [] { return default_generator().get_state(); });
  m.def("set_random_state(Tensor state) -> ()", [](const at::Tensor& state) {
    default_generator().unsafeGetGeneratorImpl()->set_state(*state.unsafeGetTensorImpl());
  });
}

const bool known = (at::RegisterPrivateUse1HooksInterface(new Hooks()), true);

}  // namespace

extern "C" void standin_listen(Listener told) { listener = told; }

// ---- Autocast, with the lists of CUDA ---------------------------------------------------------------------------------
namespace at::autocast {
namespace {
TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, m) { m.fallback(torch::CppFunction::makeFallthrough()); }
TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
#define IN_LOW_PRECISION(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, lower_precision_fp)
#define IN_FULL_PRECISION(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32)
#define TO_FULL_PRECISION(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32_set_opt_dtype)
#define IN_THE_WIDEST(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, promote)
  AT_FORALL_LOWER_PRECISION_FP(IN_LOW_PRECISION)
  AT_FORALL_FP32(IN_FULL_PRECISION)
  AT_FORALL_FP32_SET_OPT_DTYPE(TO_FULL_PRECISION)
  AT_FORALL_DIFFERENT_REDISPATCH_SIGNATURE(KERNEL_DIFFERENT_REDISPATCH_SIGNATURE_PRIVATEUSEONE)
  AT_FORALL_PROMOTE(IN_THE_WIDEST)
}
}  // namespace
}  // namespace at::autocast
