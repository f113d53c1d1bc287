//===- CompileModule.cpp - MLIR kernels to one ELF object -------*- C++ -*-===//
#include "codegen/cpu/CompileModule.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"

#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/CodeGen.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Triple.h"

#include <mutex>

namespace air::codegen {
namespace {

/// Keeps the first error that LLVM reports. If no handler were attached to the
/// context, LLVM would print the error and end the process.
struct DiagnosticLog {
  std::string text;

  void attach(llvm::LLVMContext &context) {
    context.setDiagnosticHandlerCallBack(&handle, this);
  }
  static void handle(const llvm::DiagnosticInfo *info, void *self) {
    if (info->getSeverity() != llvm::DS_Error) {
      return;
    }
    std::string &text = static_cast<DiagnosticLog *>(self)->text;
    if (text.empty()) {
      llvm::raw_string_ostream stream(text);
      llvm::DiagnosticPrinterRawOStream printer(stream);
      info->print(printer);
    }
  }
};

void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
  });
}

Result<std::unique_ptr<llvm::TargetMachine>>
makeTargetMachine(const CpuTarget &target) {
  initializeTargets();
  llvm::Triple triple(target.triple);
  std::string error;
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found) {
    return internalError("LLVM has no code generator for " + target.triple +
                         ": " + error);
  }
  llvm::TargetOptions options;
  // Only KernelBuilder::fma() may fuse a multiplication and an addition.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      triple, target.cpu, target.features, options, llvm::Reloc::PIC_,
      llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
  if (!machine) {
    return internalError("LLVM cannot create a target machine for " +
                         target.triple);
  }
  return machine;
}

Status lower(mlir::ModuleOp module) {
  mlir::PassManager passes(module.getContext());
  passes.addPass(mlir::createCanonicalizerPass());
  passes.addPass(mlir::createCSEPass());
  passes.addPass(mlir::createSCFToControlFlowPass());
  passes.addPass(mlir::createConvertVectorToLLVMPass());
  passes.addPass(mlir::createArithToLLVMConversionPass());
  passes.addPass(mlir::createConvertControlFlowToLLVMPass());
  passes.addPass(mlir::createConvertFuncToLLVMPass());
  passes.addPass(mlir::createReconcileUnrealizedCastsPass());
  if (failed(passes.run(module))) {
    return internalError("the function cannot be lowered to the LLVM dialect");
  }
  return Status::ok();
}

void addFunctionAttributes(llvm::Module &module, const CpuTarget &target) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration()) {
      continue;
    }
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.features);
    if (target.isa.hasAvx512) {
      // Without these attributes, LLVM prefers two 256-bit operations to one
      // 512-bit operation on some CPUs.
      function.addFnAttr("prefer-vector-width", "512");
      function.addFnAttr("min-legal-vector-width", "512");
    }
    // There is no libc, so loops must not become calls to memset or memcpy.
    function.addFnAttr("no-builtins");
    function.addFnAttr("frame-pointer", "none");
    // Aligns the stack, so that a spilled vector occupies a single cache line.
    function.addFnAttr("stackrealign");
    function.setDoesNotThrow();
  }
}

void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PipelineTuningOptions tuning;
  // Kernels are already vectorised, and unrolled as far as they should be.
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = false;
  tuning.LoopInterleaving = false;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graph;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
      .run(module, modules);
}

/// Links all bitcode modules into one, and gives internal linkage to the tables
/// that kernels share.
Result<std::unique_ptr<llvm::Module>>
linkModules(std::span<const std::string> bitcodes, llvm::LLVMContext &context,
            llvm::TargetMachine &machine, DiagnosticLog &log) {
  auto linked = std::make_unique<llvm::Module>("kernels", context);
  linked->setTargetTriple(machine.getTargetTriple());
  linked->setDataLayout(machine.createDataLayout());
  llvm::Linker linker(*linked);
  for (const std::string &bitcode : bitcodes) {
    llvm::MemoryBufferRef buffer(bitcode, "kernel");
    llvm::Expected<std::unique_ptr<llvm::Module>> module =
        llvm::parseBitcodeFile(buffer, context);
    if (!module) {
      return internalError("a kernel's bitcode cannot be read back: " +
                           llvm::toString(module.takeError()));
    }
    if (linker.linkInModule(std::move(*module))) {
      return internalError("the kernels cannot be linked: " + log.text);
    }
  }
  for (llvm::GlobalVariable &table : linked->globals()) {
    table.setLinkage(llvm::GlobalValue::InternalLinkage);
  }
  return linked;
}

Result<std::string> generate(std::span<const std::string> bitcodes,
                             const CpuTarget &target,
                             llvm::CodeGenFileType kind) {
  AIR_ASSIGN_OR_RETURN(auto machine, makeTargetMachine(target));
  llvm::LLVMContext context;
  DiagnosticLog log;
  log.attach(context);
  AIR_ASSIGN_OR_RETURN(auto module,
                       linkModules(bitcodes, context, *machine, log));
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, kind)) {
    return internalError("LLVM cannot write objects for " + target.triple);
  }
  passes.run(*module);
  if (!log.text.empty()) {
    return internalError("LLVM cannot generate code for " + target.triple +
                         ": " + log.text);
  }
  return std::string(bytes.begin(), bytes.end());
}

Status checkSymbols(const std::string &object) {
  auto file = llvm::object::ObjectFile::createELFObjectFile(
      llvm::MemoryBufferRef(object, "kernels"));
  if (!file) {
    return internalError("the object that LLVM made is unreadable: " +
                         llvm::toString(file.takeError()));
  }
  for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
    llvm::Expected<uint32_t> flags = symbol.getFlags();
    llvm::Expected<llvm::StringRef> name = symbol.getName();
    if (!flags || !name) {
      llvm::consumeError(flags.takeError());
      llvm::consumeError(name.takeError());
      return internalError("the object that LLVM made has a symbol whose name "
                           "or flags cannot be read");
    }
    if (*flags & llvm::object::SymbolRef::SF_Undefined && !name->empty()) {
      return internalError(
          "a kernel calls the function '" + name->str() +
          "', which is not defined in its module; kernels must not call "
          "external functions");
    }
  }
  return Status::ok();
}

} // namespace

Result<std::string>
compileToBitcode(const std::string &name, const CpuTarget &target,
                 const std::function<void(KernelBuilder &)> &emit,
                 std::string *mlir) {
  AIR_ASSIGN_OR_RETURN(auto machine, makeTargetMachine(target));

  mlir::DialectRegistry registry;
  registry.insert<mlir::arith::ArithDialect, mlir::cf::ControlFlowDialect,
                  mlir::func::FuncDialect, mlir::LLVM::LLVMDialect,
                  mlir::scf::SCFDialect, mlir::vector::VectorDialect>();
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  std::string said;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) {
    if (said.empty()) {
      said = d.str();
    }
    return mlir::success();
  });
  auto failure = [&](const std::string &stage) {
    return internalError("kernel " + name + ": " + stage +
                         (said.empty() ? "" : ": " + said));
  };

  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::ModuleOp::create(mlir::UnknownLoc::get(&context), name);
  KernelBuilder builder(*module, name, target.isa);
  emit(builder);
  builder.finish();
  if (failed(mlir::verify(*module))) {
    return failure("MLIR refuses the generated function");
  }
  if (mlir != nullptr) {
    llvm::raw_string_ostream stream(*mlir);
    module->print(stream);
  }
  if (Status status = lower(*module); !status.isOk()) {
    return failure(status.message());
  }

  llvm::LLVMContext llvmContext;
  DiagnosticLog log;
  log.attach(llvmContext);
  std::unique_ptr<llvm::Module> kernel =
      mlir::translateModuleToLLVMIR(*module, llvmContext, name);
  if (!kernel) {
    return failure("the function cannot be translated to LLVM IR");
  }
  kernel->setTargetTriple(machine->getTargetTriple());
  kernel->setDataLayout(machine->createDataLayout());
  addFunctionAttributes(*kernel, target);
  if (llvm::raw_string_ostream stream(said);
      llvm::verifyModule(*kernel, &stream)) {
    return failure("LLVM refuses the translated function");
  }
  optimize(*kernel, *machine);
  if (!log.text.empty()) {
    said = log.text;
    return failure("LLVM cannot optimise the function");
  }
  std::string bitcode;
  llvm::raw_string_ostream stream(bitcode);
  llvm::WriteBitcodeToFile(*kernel, stream);
  return bitcode;
}

Result<std::vector<uint8_t>> emitObject(std::span<const std::string> bitcodes,
                                        const CpuTarget &target) {
  AIR_ASSIGN_OR_RETURN(
      std::string object,
      generate(bitcodes, target, llvm::CodeGenFileType::ObjectFile));
  AIR_RETURN_IF_ERROR(checkSymbols(object));
  return std::vector<uint8_t>(object.begin(), object.end());
}

Result<std::string> emitAssembly(std::span<const std::string> bitcodes,
                                 const CpuTarget &target) {
  return generate(bitcodes, target, llvm::CodeGenFileType::AssemblyFile);
}

} // namespace air::codegen
