//===- PlanOps.td - tensors, buffers, programs, placement --*- tablegen -*-===//
//
// The ops of levels 2 and 3 (see PlanDialect.td), which correspond to the
// records of formats/plan/plan.fbs. Some optional attributes are not set by the
// pass that creates the op, but by a later one.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_PLANOPS_TD
#define AIRPACK_COMPILER_DIALECT_PLAN_PLANOPS_TD

include "compiler/dialect/plan/PlanStepOps.td"

class Plan_ModuleOp<string mnemonic, list<Trait> traits = []>
    : Plan_Op<mnemonic, !listconcat(traits, [HasParent<"::mlir::ModuleOp">])>;

// ---- tensors, segments and executables --------------------------------------

def Plan_TensorOp : Plan_ModuleOp<"tensor", [
    Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A tensor as kernels read it, and the recipe that makes it";
  let description = [{
    ```mlir
    plan.tensor @blk.0.attn_qkv concat [#llm.weight<"blk.0.attn_q.weight", Q4_K, 256x256>, ...]
      as Q4_K x16 512 x 256 bytes 75776
    plan.tensor @rope inverse_frequencies [] rope <norm, dim = 64, base = 1.0e4>
      as F64 rows 1 x 32 bytes 256
    ```
    pack-segments adds its place, `in @segment at offset`. The offset is in bytes
    from the start of the raw segment.
  }];
  let arguments = (ins
    SymbolNameAttr:$sym_name, Plan_RecipeAttr:$recipe,
    Plan_WeightArrayAttr:$sources, OptionalAttr<Llm_RopeAttr>:$rope,
    Llm_DTypeAttr:$dtype, Plan_LayoutAttr:$layout,
    Plan_Count:$rows, Plan_Count:$columns, Plan_Count:$bytes,
    OptionalAttr<FlatSymbolRefAttr>:$segment, OptionalAttr<Plan_Size>:$offset);
  let assemblyFormat = [{
    $sym_name custom<Enum>($recipe) $sources (`rope` $rope^)?
    `as` custom<DType>($dtype) custom<Layout>($layout) $rows `x` $columns
    `bytes` $bytes (`in` $segment^ `at` $offset)? attr-dict
  }];
  let hasVerifier = 1;
}

def Plan_SegmentOp : Plan_ModuleOp<"segment", [Symbol]> {
  let summary = "A page-aligned run of bytes of the file";
  let description = [{
    Segments appear in the order of the file. `raw_bytes` covers every tensor (or
    the executable) inside. Stored size, offset and digests become known when the
    file is written.
  }];
  let arguments = (ins
    SymbolNameAttr:$sym_name, Plan_SegmentKindAttr:$kind, Plan_CodecAttr:$codec,
    Plan_Size:$raw_bytes);
  let assemblyFormat = [{
    $sym_name custom<Enum>($kind) `codec` custom<Enum>($codec)
    `bytes` $raw_bytes attr-dict
  }];
}

def Plan_ExecutableOp : Plan_ModuleOp<"executable", [
    Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Machine code or PTX, and the names of its kernels";
  let description = [{
    The executable of the CPU is a relocatable object. An executable with
    `device` is one kernel of a GPU, as a cubin, as PTX, or as both.
  }];
  let arguments = (ins
    SymbolNameAttr:$sym_name, Plan_Count:$abi_version, StrArrayAttr:$entries,
    OptionalAttr<FlatSymbolRefAttr>:$segment,
    DefaultValuedAttr<Plan_Size, "0">:$device);
  let assemblyFormat = [{
    $sym_name `abi` $abi_version `entries` $entries (`in` $segment^)?
    (`device` $device^)? attr-dict
  }];
  let hasVerifier = 1;
}

// ---- buffers, KV cache and limits -------------------------------------------

def Plan_BufferOp : Plan_ModuleOp<"buffer", [Symbol]> {
  let summary = "A named range of the activation arena";
  let description = [{
    Layers share buffers one after another: a step whose first use of a buffer
    only writes it begins a new value (formats/plan/plan.fbs).

    A row has `row_elements` 32-bit words, which are float32 values or packed
    activations. There is one row per token or output of the largest batch,
    or of the largest batch of at most `most` tokens, rounded up to a multiple
    of AIR_TOKEN_PADDING. Programs for larger batches do not bind a buffer with
    `most`. plan-memory adds `at offset bytes size`.

    A buffer with `device` is in the arena of that device, and has exactly one
    row per token or output of the largest batch. With `fixed`, it has one row,
    however large the batch is. With `zeroed`, it holds counters that are zero
    between kernels.
  }];
  let arguments = (ins
    SymbolNameAttr:$sym_name, Plan_Count:$row_elements,
    DefaultValuedAttr<Plan_RowsFromAttr, "RowsFrom::Tokens">:$rows,
    OptionalAttr<Plan_Count>:$most_rows, UnitAttr:$is_output,
    OptionalAttr<Plan_Size>:$offset, OptionalAttr<Plan_Count>:$bytes,
    DefaultValuedAttr<Plan_Size, "0">:$device, UnitAttr:$fixed,
    UnitAttr:$zeroed);
  let assemblyFormat = [{
    $sym_name `row` $row_elements (`rows` $rows^)? (`most` $most_rows^)?
    (`output` $is_output^)? (`device` $device^)? (`fixed` $fixed^)? (`zeroed` $zeroed^)?
    (`at` $offset^ `bytes` $bytes)? attr-dict
  }];
  let hasVerifier = 1;
}

def Plan_KvOp : Plan_ModuleOp<"kv"> {
  let summary = "A cache group of equal caches (CacheGroup, Cache in plan.fbs)";
  let description = [{
    The caches have the indices 0 to `caches` - 1, or, if another plan.kv comes
    before this one, the indices that follow that one's. For a model without
    attention, `caches` is 0, and the plan has no cache group. A plan has at most
    two: one of the CPU, and then one of the GPU.
  }];
  let arguments = (ins
    Llm_DTypeAttr:$dtype, Plan_Count:$page_tokens, Plan_Size:$caches,
    Plan_Count:$heads, Plan_Count:$head_dim, Plan_Count:$context,
    Plan_Count:$slots, OptionalAttr<Plan_Count>:$device);
  let assemblyFormat = [{
    custom<DType>($dtype) `page_tokens` $page_tokens `caches` $caches
    `heads` $heads `head_dim` $head_dim `context` $context `slots` $slots
    (`device` $device^)? attr-dict
  }];
  let extraClassDeclaration = [{
    // getCacheBytes() returns the bytes that one cache takes in a page,
    // getPageBytes() the bytes of a whole page, and getPages() the number of
    // pages (see CacheGroup and Cache in plan.fbs). The caches have the KvOrder
    // Mma if `device` is set, and otherwise Cpu. The op's verifier has checked
    // that none of these numbers overflows. The first cache of this op begins
    // at byte 0 of a page, and each further one getCacheBytes() bytes after the
    // previous one. All these offsets are multiples of 64.
    int64_t getCacheBytes();
    int64_t getPageBytes();
    int64_t getPages();
  }];
  let hasVerifier = 1;
}

def Plan_LimitsOp : Plan_ModuleOp<"limits"> {
  let summary = "The largest batch, and the arenas' sizes after plan-memory";
  let description = [{
    `arena` is the size of the CPU's arena, and `gpu_arena` that of the GPU's.
    Each is present only if the device has buffers.
  }];
  let arguments = (ins Plan_Count:$max_tokens, Plan_Count:$max_outputs,
                       OptionalAttr<Plan_Size>:$arena_bytes,
                       OptionalAttr<Plan_Size>:$gpu_arena_bytes);
  let assemblyFormat = [{
    `tokens` $max_tokens `outputs` $max_outputs (`arena` $arena_bytes^)?
    (`gpu_arena` $gpu_arena_bytes^)? attr-dict
  }];
  let hasVerifier = 1;
}

// ---- programs ---------------------------------------------------------------

def Plan_ProgramOp : Plan_ModuleOp<"program", [
    Symbol, SingleBlock, NoTerminator, NoRegionArguments]> {
  let summary = "One pass over the model for batches of min to max tokens";
  let description = [{
    `tiles` is Program.tile_tokens of plan.fbs, for programs of a GPU.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Plan_Count:$min_tokens,
                       Plan_Count:$max_tokens,
                       OptionalAttr<Plan_Count>:$tile_tokens);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `tokens` $min_tokens `to` $max_tokens (`tiles` $tile_tokens^)?
    attr-dict-with-keyword $body
  }];
  let hasVerifier = 1;
}

def Plan_StepOp : Plan_Op<"step", [
    HasParent<"ProgramOp">, SingleBlock, NoTerminator, NoRegionArguments]> {
  let summary = "A step and the dispatches that compute it";
  let description = [{
    With `copy @a to @b`, the rows of buffer `a` are copied to buffer `b`, which
    is on another device, before the dispatches run.
  }];
  let arguments = (ins Plan_StepKindAttr:$kind,
                       DefaultValuedAttr<I64Attr, "-1">:$layer, StrAttr:$name,
                       OptionalAttr<FlatSymbolRefAttr>:$copy_from,
                       OptionalAttr<FlatSymbolRefAttr>:$copy_to);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    custom<Enum>($kind) (`layer` $layer^)? $name (`copy` $copy_from^ `to` $copy_to)?
    attr-dict-with-keyword $body
  }];
}

def Plan_DispatchOp : Plan_Op<"dispatch", [
    HasParent<"StepOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "One launch of a kernel";
  let description = [{
    ```mlir
    plan.dispatch "rmsnorm_m1_k128" {op = "rms_norm", k = 128, epsilon = 1.0e-5 : f32}
      (<read buffer @x>, <read tensor @blk.0.attn_norm>, <write buffer @n>)
      tiles 1 per 1 weight_bytes 512 flops_per_row 512
    ```
    `spec` is the codegen::KernelSpec without the fields that have their default
    (KernelSpecAttr.h). The bindings are those that kernelBindings() in
    codegen/KernelBindings.h returns for it. With `overlap` the next dispatch may
    start before all tiles of this one are done. `tile_rows` is
    Grid.rows_per_tile. With `part 4 to 8`, the dispatch runs only the row tiles
    4 to 7.

    A kernel of a GPU has a `launch`. Its `spec` is a codegen::cuda::CudaSpec
    (CudaSpecAttr.h), and it has no tiles, no scratch and no overlap. `rows` is
    Launch.rows_from.
  }];
  let arguments = (ins
    StrAttr:$kernel, DictionaryAttr:$spec, Plan_BindingArrayAttr:$bindings,
    DefaultValuedAttr<Plan_Count, "1">:$base_tiles,
    DefaultValuedAttr<Plan_Size, "0">:$tokens_per_tile,
    DefaultValuedAttr<Plan_Size, "0">:$rows_per_tile,
    OptionalAttr<Plan_Size>:$first_tile, OptionalAttr<Plan_Count>:$end_tile,
    DefaultValuedAttr<Plan_RowsFromAttr, "RowsFrom::Tokens">:$rows,
    DefaultValuedAttr<Plan_Size, "0">:$weight_bytes,
    DefaultValuedAttr<Plan_Size, "0">:$flops_per_row,
    DefaultValuedAttr<Plan_Size, "0">:$scratch_bytes,
    DefaultValuedAttr<Plan_ArithmeticAttr, "Arithmetic::Float32">:$arithmetic,
    UnitAttr:$overlap, OptionalAttr<Plan_LaunchAttr>:$launch);
  let assemblyFormat = [{
    $kernel $spec custom<Bindings>($bindings)
    (`tiles` $base_tiles^)? (`per` $tokens_per_tile^)?
    (`tile_rows` $rows_per_tile^)? (`part` $first_tile^ `to` $end_tile)? (`rows` $rows^)?
    (`weight_bytes` $weight_bytes^)? (`flops_per_row` $flops_per_row^)?
    (`scratch` $scratch_bytes^)? (`arithmetic` $arithmetic^)? (`overlap` $overlap^)?
    (`launch` $launch^)? attr-dict
  }];
  let hasVerifier = 1;
}

// ---- reads and placements ---------------------------------------------------

def Plan_ReadOp : Plan_ModuleOp<"read", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Step `first_step` of a pass is the first that needs the segment";
  let arguments = (ins FlatSymbolRefAttr:$segment, Plan_Size:$first_step);
  let assemblyFormat = "$segment `before` $first_step attr-dict";
}

def Plan_PlacementOp : Plan_ModuleOp<"placement", [
    SingleBlock, NoTerminator, NoRegionArguments]> {
  let summary = "A way to divide weights among memories (Placement in plan.fbs)";
  let description = [{
    ```mlir
    plan.placement resident [1536, 0, 100] ring 8192 {
      plan.budget ram bytes 65536
      plan.budget_item "ring" ram bytes 8192
      plan.stream @layer.1 at 0 bytes 4096 to 4096 before 3 after -2
      plan.prediction "decode" links [...] nanoseconds 0 limit ""
    }
    ```
    `resident` lists, for each plan.segment in the order of the module, how many
    bytes stay in RAM. `device` is present only if the plan uses a GPU. It
    lists, in the same order, the device in whose memory the segment is, or 0.
    `device_ring` is the size of the ring in the memory of the GPU, into which
    `plan.device_stream` ops copy.
  }];
  let arguments = (ins DenseI64ArrayAttr:$resident, Plan_Size:$ring_bytes,
                       OptionalAttr<DenseI64ArrayAttr>:$device,
                       OptionalAttr<I64Attr>:$device_ring_bytes);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `resident` $resident `ring` $ring_bytes (`device` $device^)?
    (`device_ring` $device_ring_bytes^)? attr-dict-with-keyword $body
  }];
  let hasVerifier = 1;
}

class Plan_PlacementPartOp<string mnemonic, list<Trait> traits = []>
    : Plan_Op<mnemonic, !listconcat(traits, [HasParent<"PlacementOp">])>;

class Plan_StreamPartOp<string mnemonic> : Plan_PlacementPartOp<mnemonic, [
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let arguments = (ins FlatSymbolRefAttr:$segment, Plan_Size:$offset,
                       Plan_Count:$bytes, Plan_Size:$ring_offset,
                       Plan_Size:$before_step, I64Attr:$after_step);
  let assemblyFormat = [{
    $segment `at` $offset `bytes` $bytes `to` $ring_offset
    `before` $before_step `after` $after_step attr-dict
  }];
}

def Plan_StreamOp : Plan_StreamPartOp<"stream"> {
  let summary = "Bytes that a pass reads into the ring (StreamRead in plan.fbs)";
}

def Plan_DeviceStreamOp : Plan_StreamPartOp<"device_stream"> {
  let summary = "Bytes that a pass copies to a GPU (StreamRead in plan.fbs)";
}

def Plan_BudgetOp : Plan_PlacementPartOp<"budget"> {
  let summary = "The limit of the sum of a tier's items; 0 = no limit";
  let arguments = (ins Plan_TierAttr:$tier, Plan_Size:$bytes);
  let assemblyFormat = "custom<Enum>($tier) `bytes` $bytes attr-dict";
}

def Plan_BudgetItemOp : Plan_PlacementPartOp<"budget_item"> {
  let summary = "One use of a tier: \"weights\", \"kv\", \"activations\", ...";
  let arguments = (ins StrAttr:$name, Plan_TierAttr:$tier, Plan_Size:$bytes);
  let assemblyFormat = "$name custom<Enum>($tier) `bytes` $bytes attr-dict";
}

def Plan_PredictionOp : Plan_PlacementPartOp<"prediction"> {
  let summary = "The predicted traffic and time of a phase";
  let arguments = (ins StrAttr:$phase, Plan_LinkArrayAttr:$links,
                       Plan_Size:$nanoseconds, StrAttr:$limit);
  let assemblyFormat = [{
    $phase `links` $links `nanoseconds` $nanoseconds `limit` $limit attr-dict
  }];
}

// ---- decisions --------------------------------------------------------------

def Plan_DecisionOp : Plan_ModuleOp<"decision"> {
  let summary = "A setting, its value, and who decided it";
  let arguments = (ins StrAttr:$name, StrAttr:$value, Plan_DecidedByAttr:$by);
  let assemblyFormat = "$name `=` $value `by` custom<Enum>($by) attr-dict";
}

#endif // AIRPACK_COMPILER_DIALECT_PLAN_PLANOPS_TD
