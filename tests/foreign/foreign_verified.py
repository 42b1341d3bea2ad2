"""For every subject that is called wrong: what an independent calculation says, and where it stands."""

from __future__ import annotations

FOCAL = (
    "The slope of (1 - p_t)^0.1 is infinite where p_t is rounded to 1, and times 0 it is nan: for a target of 0 "
    "at a logit of -20, where it is 3e-10 (`test_focal_losses_have_no_slope_of_easy_examples`)"
)
LAYOUT = "Gradients laid out otherwise than the parameter go to other elements"
SCRIPT = "A script is in [found.md](found.md)"

VERIFIED: dict[tuple[str, str], str] = {
    ("timm.layers:DropBlock2d", "DropBlock2d"): (
        "Its quick way has seeds everywhere: with blocks of 5 on 12 x 12 maps, 93 of 142 maps with drops had cut "
        "blocks (`test_dropped_blocks_are_cut_at_the_border`)"
    ),
    ("dropblock:DropBlock2D", "DropBlock2d"): (
        "It has seeds everywhere: with blocks of 5 on 12 x 12 maps, 59 of 90 maps with drops had cut blocks "
        "(`test_dropped_blocks_are_cut_at_the_border`)"
    ),
    ("monai.losses:FocalLoss", "functional.sigmoid_focal_loss"): (
        "The sum of a matrix of losses is their mean: `mean(dim=[])` is over all axes "
        "(`test_a_sum_of_focal_losses_of_monai_is_a_mean`)"
    ),
    (
        "pytorch_optimizer:Lamb (max_grad_norm=0.0, weight_decouple=False, adam_debias=True)",
        "optim.LAMB",
    ): (
        "It is the rule without correction for bias: decay weighs a third of what it should in the first step "
        "(`test_lamb_without_correction_for_bias_decays_less`)"
    ),
    ("torch_optimizer:Lamb (debias=True, clamp_value=1000000000.0)", "optim.LAMB"): (
        "The correction for bias goes to the learning rate, after the trust ratio: the first step is 0.32 as long as "
        "the rule's (`test_lamb_of_torch_optimizer_shortens_the_first_steps`)"
    ),
    ("timm.optim:Lookahead", "optim.Lookahead"): (
        "Slow weights are taken at the first synchronisation, which then does nothing "
        "(`test_lookaheads_that_take_their_slow_weights_too_late`)"
    ),
    ("torch_optimizer:Lookahead", "optim.Lookahead"): (
        "It synchronises after steps 1, 6, 11, and takes its slow weights after the first "
        "(`test_lookaheads_that_take_their_slow_weights_too_late`)"
    ),
    ("pytorch_optimizer:Lookahead", "optim.Lookahead"): (
        "A parameter without a gradient in the step that synchronises is left out "
        "(`test_lookahead_of_pytorch_optimizer_leaves_out_what_has_no_gradient`)"
    ),
    ("timm.optim.sgdp:SGDP (delta=0.0)", "optim.SGD"): (
        "The first gradient is dampened too, torch's is not (`test_sgdp_dampens_the_first_step`)"
    ),
    ("pytorch_optimizer:SGDW", "optim.SGD"): (
        "With Nesterov and foreach=False the gradient is written to "
        "(`test_sgdw_of_pytorch_optimizer_writes_to_the_gradient`)"
    ),
    ("torch._refs.nn.functional:nll_loss", "functional.nll_loss"): f"The sum of no losses is not 0. {SCRIPT}",
    ("torch._refs.nn.functional:elu", "functional.elu"): f"Slopes are nan from 89 on and 0 below -17. {SCRIPT}",
    ("torch._refs.nn.functional:hardtanh", "functional.hardtanh"): f"At its bounds the slope is 1, not 0. {SCRIPT}",
    ("torch._refs.nn.functional:softplus", "functional.softplus"): f"Slopes are nan from 89 on. {SCRIPT}",
    ("torch._refs:narrow", "tensor.narrow"): f"The gradient of an expanded input spreads. {SCRIPT}",
    ("torch._decomp.decompositions:hardswish", "functional.hardswish"): (
        "At -3 and 3 the slope is -0.5 and 1.5, native has 0 and 1 (`test_hardswish_has_the_slope_of_the_other_side`)"
    ),
    ("torch._decomp.decompositions:smooth_l1_loss", "functional.smooth_l1_loss"): (
        f"With beta 0 every slope is nan: 0 / 0 in the branch that `where` discards. {SCRIPT}"
    ),
    ("torch.optim:AdamW (fused=True)", "optim.AdamW"): f"{LAYOUT}. {SCRIPT}",
    ("torch.optim:Adam (fused=True)", "optim.Adam"): f"{LAYOUT}. {SCRIPT}",
    ("torch.optim:SGD (fused=True)", "optim.SGD"): (f"{LAYOUT}; in half precision whole rows do not move. {SCRIPT}"),
    ("timm.layers.activations_me:HardSwishMe", "Hardswish"): (
        "At -3 and 3 the slope is -0.5 and 1.5, native has 0 and 1 (`test_hardswish_has_the_slope_of_the_other_side`)"
    ),
    ("pytorch_optimizer:Lamb (max_grad_norm=0.0, weight_decouple=False)", "optim.LAMB"): (
        f"The first step is ten times as long as the rule's. {SCRIPT}"
    ),
    ("timm.optim:Lamb (max_grad_norm=None, always_adapt=True)", "optim.LAMB"): (
        "Steps are counted for a group, not for a parameter: one that had no gradient at first is corrected for bias "
        "as if it had (`test_lamb_of_timm_counts_steps_of_the_group`)"
    ),
    ("fvcore.nn:sigmoid_focal_loss", "functional.sigmoid_focal_loss"): FOCAL,
    (
        "segmentation_models_pytorch.losses._functional:focal_loss_with_logits",
        "functional.sigmoid_focal_loss",
    ): FOCAL,
    ("pytorch_optimizer.loss:BCEFocalLoss", "functional.sigmoid_focal_loss"): (
        "It takes probabilities and keeps them 1e-6 from 0 and 1: no loss is above 13.8, also where it is 750 "
        "(`test_probabilities_are_clamped`)"
    ),
    ("fvcore.nn:smooth_l1_loss", "functional.smooth_l1_loss"): (
        "The mean of no losses is 0 there, on purpose, and nan in torch (`test_smooth_l1_of_fvcore_of_nothing_is_0`)"
    ),
    ("segmentation_models_pytorch.losses:SoftCrossEntropyLoss", "LabelSmoothingCrossEntropy"): (
        "Unreduced losses keep the axis of classes, and a mean divides by ignored targets too "
        "(`test_soft_cross_entropy_divides_by_ignored_pixels_too`)"
    ),
    ("local_attention:LocalAttention", "functional.local_attention"): (
        "With autopad and no mask it attends to its own padding; a single position does not give its value back, off "
        "by 1.3 (`test_local_attention_attends_to_its_own_padding`); with a mask of ones it is right"
    ),
    ("transformers.generation.logits_process:TopPLogitsWarper", "functional.top_p_filter"): (
        "At p = 1 it removes what has a probability of 0 in float32 (`test_top_p_of_one_removes_the_improbable`)"
    ),
    ("torch_geometric.utils:softmax", "functional.softmax"): (
        "4096 terms are added one by one: 11 ulp off where torch is 1.3, right in float64 to 1e-18 "
        "(`test_softmax_by_scatter_is_right_in_float64`): less accurate rather than wrong"
    ),
}
