"""Programs of `torch.compile`, each one whole graph, give what NumPy's arrays give."""

import pytest
import torch

from .test_torch import CALLS, assert_same, draw, tensors

CANNOT: dict[str, str] = {}
"""Calls that no program can make, and what they say."""

NOT_YET = {
    "metrics.hausdorff_distance HDRFDST",
    "metrics.hausdorff_distance of labels",
    "metrics.hausdorff_distance counted",
    "metrics.hausdorff_distance pooled",
    "metrics.hausdorff_distance called back",
    "metrics.average_distance AVGDIST",
    "metrics.average_distance of labels",
    "metrics.average_symmetric_surface_distance ASSD",
    "metrics.mean_average_surface_distance MASD",
    "metrics.average_surface_distance ASD_PR",
    "metrics.average_surface_distance ASD_RP",
    "metrics.surface_overlap SURFOVLP",
    "metrics.normalized_surface_dice SURFDICE",
    "metrics.boundary_iou BIOU",
    "metrics.boundary_iou of labels",
    "metrics.mahalanobis_distance MAHLNBS",
    "metrics.centroid_distance CENDST",
    "metrics.prediction_volume PREDVOL",
    "metrics.reference_volume REFVOL",
    "metrics.prediction_area PREDAREA",
    "metrics.reference_area REFAREA",
    "metrics.r_squared R2",
    "metrics.mean_absolute_error MAE",
    "metrics.mean_squared_error MSE",
    "metrics.root_mean_squared_error RMSE",
    "metrics.normalized_root_mean_squared_error NRMSE",
    "metrics.normalized_mean_squared_error NMSE",
    "metrics.pearson_correlation PCC",
    "metrics.concordance_correlation CCC",
    "metrics.peak_signal_noise_ratio PSNR",
    "metrics.structural_similarity SSIM",
    "metrics.structural_similarity in a range",
    "metrics.structural_similarity weighted",
    "metrics.surface_distances summed",
    "metrics.surfels codes",
    "metrics.voxels codes",
    "metrics.solid codes",
    "metrics.area middle",
    "metrics.area of labels",
    "metrics.volume of 0 and 1",
    "metrics.volume of labels",
    "metrics.confusion_counts of labels",
    "metrics.confusion_counts in a mask",
    "metrics.soft_confusion_counts of a mask",
    "metrics.confusion_matrix of labels",
    "metrics.generalized_dice of labels",
    "metrics.interclass_correlation of 0 and 1",
    "metrics.expected_cost of labels",
    "metrics.weighted_kappa of labels",
    "metrics.weighted_kappa of planes",
    "metrics.weighted_kappa of classes",
    "metrics.identity of counts",
    "metrics.merge counts",
    "metrics.merge moments",
    "metrics.merge places",
    "metrics.paired_moments of volumes",
    "metrics.paired_spatial_moments of masks",
    "metrics.spatial_moments of a mask",
    "metrics.reference_mean of volumes",
    "metrics.reference_norm of volumes",
    "metrics.reference_range of volumes",
    "transforms.affine image",
    "transforms.blur by numbers",
    "transforms.blur by an array",
    "transforms.clip_percentile image",
    "transforms.clip_percentile in a mask",
    "transforms.crop by numbers",
    "transforms.crop by an array",
    "transforms.crop by both",
    "transforms.crop_or_pad image",
    "transforms.elastic image",
    "transforms.flip by an array",
    "transforms.gamma by a number",
    "transforms.mask_outside image",
    "transforms.pad zeros",
    "transforms.pad edge",
    "transforms.permute image",
    "transforms.reorient_onto image",
    "transforms.resample image",
    "transforms.resample smoothed",
    "transforms.resample labels",
    "transforms.resample_onto image",
    "transforms.reshape image",
    "transforms.rot90 by a number",
    "transforms.rot90 by an array",
    "transforms.shift by an array",
    "transforms.shift around",
    "transforms.warp image",
    "transforms.warp labels",
    "assembly.assemble a mean",
    "assembly.assemble a list",
    "assembly.assemble a maximum",
    "assembly.assemble the last",
    "assembly.assemble a vote",
    "assembly.assemble voxels",
    "assembly.assemble_planes a mean",
    "assembly.start a mean",
    "assembly.add a total",
    "assembly.add all at once",
    "assembly.add at an array",
    "assembly.finish a maximum",
    "assembly.merge_planes a mean",
    "assembly.sliding_window one by one",
    "assembly.sliding_window in batches",
    "morphology.border a mask",
    "morphology.distance_transform a mask",
    "morphology.distance_transform capped",
    "morphology.distance_transform called back",
    "extraction.dynamic_patch by an array",
    "extraction.extract beyond",
    "extraction.extract channels",
}
"""Calls that break the graph, or end in words of PyTorch."""

CAN = sorted(CALLS.keys() - CANNOT.keys() - NOT_YET)

pytestmark = pytest.mark.slow


def compiled(call, *, dynamic):
    torch._dynamo.reset()
    return torch.compile(call, fullgraph=True, backend="aot_eager", dynamic=dynamic)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("name", CAN)
def test_a_program_of_one_graph_gives_the_values_of_numpy(name, dynamic):
    arrays = draw(CALLS[name])
    program = compiled(CALLS[name].call, dynamic=dynamic)
    assert_same(program(*tensors(arrays)), CALLS[name].call(*arrays))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", CANNOT)
def test_what_no_program_can_do_is_said_in_one_sentence(name):
    program = compiled(CALLS[name].call, dynamic=False)
    with pytest.raises(Exception, match=CANNOT[name]):
        program(*tensors(draw(CALLS[name])))
